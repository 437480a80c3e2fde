"""What the official profiles demand of each document type, as tables. Data only: `*.toml`.

`document.toml` holds for every type, `entries.toml` for the records inside, one file per HI type
for its Composition and sections. `mappings.checker` applies them.
"""
