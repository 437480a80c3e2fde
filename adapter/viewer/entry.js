// Mounts the viewer on the bundle that stands in the page. Until it has, the page says that nothing
// is shown and lists everything; so a script that fails or never comes hides nothing.

import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { HIProfile } from "hi-profiles";
import "./node_modules/hi-profiles/dist/hi-profiles.css";
import "./page.css";

const bundle = JSON.parse(document.getElementById("bundle").textContent);

function say(state) {
  document.body.dataset.state = state;
}

// The package decodes attachments as if they were text, which damages every PDF and picture; with an
// address of its own it leaves them alone.
function giveAddress(attachment) {
  if (!attachment.data) return;
  try {
    const bytes = Uint8Array.from(atob(attachment.data), (c) => c.charCodeAt(0));
    const type = attachment.contentType || "application/octet-stream";
    attachment.url = URL.createObjectURL(new Blob([bytes], { type }));
  } catch {
    attachment.url = "#not-shown";
  }
}

for (const { resource } of bundle.entry) {
  for (const content of resource.content ?? []) giveAddress(content.attachment);
  for (const form of resource.presentedForm ?? []) giveAddress(form);
}

// Another hospital's file is saved, never opened as a page of ours.
for (const kind of ["click", "auxclick"]) {
  document.addEventListener(
    kind,
    (event) => {
      const link = event.target.closest("a");
      if (link?.protocol === "blob:") link.download = "attachment";
      else if (link) link.rel = "noopener noreferrer";
    },
    true,
  );
}

// Effects run only once everything has been drawn.
function Drawn({ children }) {
  useEffect(() => say("shown"), []);
  return children;
}

createRoot(document.getElementById("document"), { onUncaughtError: () => say("failed") }).render(
  createElement(Drawn, null, createElement(HIProfile, { bundle })),
);
