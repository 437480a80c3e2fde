"""What we keep: SQL tables, the FHIR store, inbox, outbox, audit."""
