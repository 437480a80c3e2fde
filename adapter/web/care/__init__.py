"""The `abdm/…` interface of CARE's ABDM module, for its front end and others written for it.

Which calls there are, and where CARE has them, stands in `conformance/care-endpoints.toml`. These
modules translate: CARE's names in, one of our flows, CARE's names out. They decide nothing.

    routes       the table of routes, and what all share: prefixes, refusals
    pages        lists
    facilities   health_facility
    consents     consent, consent_request_status, health_information
    abha         abha_number, v3/health_id
    healthid     healthid, the ABHA dialogue of the older front end
    shapes       objects as CARE words them
"""
