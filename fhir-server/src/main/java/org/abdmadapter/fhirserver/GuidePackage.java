package org.abdmadapter.fhirserver;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.hl7.fhir.utilities.npm.NpmPackage;

/**
 * The implementation guide's package: its bytes, from a path or a URL, and what it says it is.
 *
 * <p>It is always fetched here and handed to HAPI as bytes: HAPI's own loader would ask the public
 * package registries for it and for everything that it depends on, and wait long for them offline.
 */
record GuidePackage(byte[] bytes, String name, String version, String canonical) {

    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
    private static final Duration READ_TIMEOUT = Duration.ofSeconds(60);
    /** Ten times today's size: enough for years, and too little to exhaust the heap. */
    private static final int MAXIMUM_BYTES = 80_000_000;

    /**
     * Reads the package at a path or an http(s) URL.
     *
     * @throws IOException with a readable reason when it cannot be had or is no FHIR package
     */
    static GuidePackage read(String location) throws IOException {
        byte[] bytes = location.matches("(?i)https?://.*") ? download(location) : readFile(location);
        try {
            NpmPackage npm = NpmPackage.fromPackage(new ByteArrayInputStream(bytes));
            return new GuidePackage(bytes, npm.name(), npm.version(), npm.canonical());
        } catch (IOException | RuntimeException unreadable) {
            throw new IOException(location + " is not a FHIR package (.tgz)", unreadable);
        }
    }

    private static byte[] readFile(String location) throws IOException {
        Path path = Path.of(location);
        if (!Files.isRegularFile(path)) {
            throw new IOException("there is no file " + path.toAbsolutePath());
        }
        return Files.readAllBytes(path);
    }

    private static byte[] download(String url) throws IOException {
        HttpClient client =
                HttpClient.newBuilder()
                        .connectTimeout(CONNECT_TIMEOUT)
                        .followRedirects(HttpClient.Redirect.NORMAL)
                        .build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).timeout(READ_TIMEOUT).build();
        try {
            HttpResponse<InputStream> response =
                    client.send(request, HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream body = response.body()) {
                if (response.statusCode() != 200) {
                    throw new IOException(url + " answered " + response.statusCode());
                }
                byte[] bytes = body.readNBytes(MAXIMUM_BYTES);
                if (bytes.length == MAXIMUM_BYTES) {
                    throw new IOException(url + " is larger than " + MAXIMUM_BYTES + " bytes");
                }
                return bytes;
            }
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException("the download of " + url + " was interrupted", interrupted);
        } catch (IOException failed) {
            // The client's own messages are often empty, for example for an unknown host.
            String reason = failed.getMessage() == null ? failed.getClass().getSimpleName() : failed.getMessage();
            throw new IOException(reason.contains(url) ? reason : url + " cannot be reached (" + reason + ")", failed);
        }
    }
}
