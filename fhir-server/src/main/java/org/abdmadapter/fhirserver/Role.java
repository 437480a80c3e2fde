package org.abdmadapter.fhirserver;

import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.servlet.ServletRequestDetails;
import jakarta.servlet.http.HttpServletRequest;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import org.hl7.fhir.instance.model.api.IBaseResource;

/**
 * Who calls, and what of the store is hidden from them. What each may do is in {@link RoleRules}.
 *
 * <p>A role is known from the moment the token was read: the filter notes it on the HTTP request, and
 * {@link #keep} on HAPI's request, since parts of a search go on after the HTTP request has ended.
 */
enum Role {
    /** Nobody told who they are; they read the capability statement. */
    NOBODY("", false, Set.of()),
    ADAPTER("adapter", true, Set.of()),
    ADMIN("admin", true, Set.of()),
    /** A Consent releases records, Provenance and AuditEvent prove what was done: none of the HIMS's. */
    HIMS("hims", false, Set.of("AuditEvent", "Consent", "Provenance", Names.SUBSCRIPTION)),
    ANALYST("analyst", false, Set.of(Names.SUBSCRIPTION)),
    ANALYST_RECEIVED("analyst.received", true, Set.of(Names.SUBSCRIPTION));

    private static final class Names {
        /** It sends records elsewhere, and its headers may hold somebody's credentials. */
        static final String SUBSCRIPTION = "Subscription";
    }

    private static final String KEPT = Role.class.getName();

    /** As settings, tokens and sentences spell it. */
    final String word;

    final boolean seesReceived;
    private final Set<String> hiddenTypes;

    Role(String word, boolean seesReceived, Set<String> hiddenTypes) {
        this.word = word;
        this.seesReceived = seesReceived;
        this.hiddenTypes = hiddenTypes;
    }

    /** The role that a claim's word grants; the adapter itself always comes with its own token. */
    static Optional<Role> granted(String word) {
        return Arrays.stream(values())
                .filter(role -> role != NOBODY && role != ADAPTER && role.word.equals(word))
                .findFirst();
    }

    /** Whether nothing is hidden from it or refused to it. */
    boolean isUnrestricted() {
        return this == ADAPTER || this == ADMIN;
    }

    /** Whether all of a type is hidden from it; null is no type. */
    boolean mayNotSeeType(String type) {
        return type != null && hiddenTypes.contains(type);
    }

    boolean mayNotSee(IBaseResource resource) {
        return mayNotSeeType(resource.fhirType()) || (!seesReceived && Received.is(resource));
    }

    void noteOn(HttpServletRequest request) {
        request.setAttribute(KEPT, this);
    }

    /** Carries the role of the HTTP request over to HAPI's. */
    static void keep(RequestDetails details, HttpServletRequest request) {
        details.getUserData().put(KEPT, request.getAttribute(KEPT));
    }

    /** The role of whoever sent this request; HAPI's own work, which nobody sent, is unrestricted. */
    static Role of(RequestDetails details) {
        if (!(details instanceof ServletRequestDetails)) {
            return ADMIN;
        }
        return details.getUserData().get(KEPT) instanceof Role role ? role : NOBODY;
    }
}
