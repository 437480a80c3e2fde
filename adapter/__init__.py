"""ABDM adapter: joins a hospital's FHIR server to India's health data network."""

__version__ = "0.1.0"
