package org.abdmadapter.fhirserver;

import ca.uhn.fhir.rest.param.TokenParam;
import ca.uhn.fhir.rest.param.TokenParamModifier;
import org.hl7.fhir.instance.model.api.IBaseResource;

/** How a record that came from another hospital under a consent is told from the hospital's own. */
final class Received {

    /** The documented tag, as in the adapter's {@code mappings/systems.py}. */
    static final String TAG_SYSTEM = "urn:abdm-adapter:record";

    static final String TAG_CODE = "received";
    /**
     * Ids that the adapter gives to received records and their Provenance. What was deleted has no tag
     * any more, and that it once was there is told to nobody either.
     */
    private static final String RESERVED_IDS = "rcvp?-.*";

    private Received() {}

    static boolean is(IBaseResource resource) {
        return resource.getMeta().getTag(TAG_SYSTEM, TAG_CODE) != null
                || isReservedId(resource.getIdElement().getIdPart());
    }

    static boolean isReservedId(String id) {
        return id != null && id.matches(RESERVED_IDS);
    }

    /** The search value of {@code _tag} that leaves received records out. */
    static TokenParam leftOut() {
        return new TokenParam(TAG_SYSTEM, TAG_CODE).setModifier(TokenParamModifier.NOT);
    }
}
