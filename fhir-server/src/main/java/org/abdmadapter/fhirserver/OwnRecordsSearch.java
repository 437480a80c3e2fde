package org.abdmadapter.fhirserver;

import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.jpa.searchparam.SearchParameterMap;
import ca.uhn.fhir.model.api.IQueryParameterType;
import ca.uhn.fhir.rest.api.Constants;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.util.ICachedSearchDetails;
import ca.uhn.fhir.rest.param.HasParam;
import ca.uhn.fhir.rest.param.ReferenceParam;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Adds {@code _tag:not=urn:abdm-adapter:record|received} to the searches of whoever may not see received
 * records, so that pages, counts and totals are those of the hospital's own.
 *
 * <p>It acts where HAPI registers a search, and so on GET, POST {@code _search} and entries of a batch
 * alike. A search can also ask about resources that it does not return, through chains and {@code _has}.
 * Own records never point at received ones ({@link RoleRules} sees to that), so only {@code _has} could
 * reach one: over {@code Patient.link}, by which a received Patient names the local one.
 */
@Interceptor
class OwnRecordsSearch {

    private static final String LINK_TO_OWN_PATIENT = "Patient:link";

    @Hook(Pointcut.STORAGE_PRESEARCH_REGISTERED)
    public void narrow(RequestDetails request, ICachedSearchDetails search, SearchParameterMap parameters) {
        Role role = Role.of(request);
        if (role.isUnrestricted()) {
            return;
        }
        if (role.mayNotSeeType(search.getResourceType())) {
            throw RoleRules.refused(request);
        }
        refuseQuestionsAboutHidden(request, parameters);
        // HAPI would judge only the Patient itself by it; what $everything finds is judged one by one.
        if (!role.seesReceived && parameters.getEverythingMode() == null) {
            parameters.add(Constants.PARAM_TAG, Received.leftOut());
        }
    }

    private static void refuseQuestionsAboutHidden(RequestDetails request, SearchParameterMap parameters) {
        Role role = Role.of(request);
        Set<String> asked =
                parameters.values().stream()
                        .flatMap(List::stream)
                        .flatMap(List::stream)
                        .flatMap(OwnRecordsSearch::path)
                        .collect(Collectors.toSet());
        boolean hidden = asked.stream().anyMatch(role::mayNotSeeType);
        boolean received = !role.seesReceived && asked.contains(LINK_TO_OWN_PATIENT);
        if (hidden || received) {
            throw RoleRules.refused(request);
        }
    }

    /** The names that a chain or {@code _has} passes, and each with the next ({@code Type:reference}). */
    private static Stream<String> path(IQueryParameterType parameter) {
        Stream<String> parts = Stream.empty();
        if (parameter instanceof HasParam has) {
            parts = Stream.of(has.getTargetResourceType(), has.getReferenceFieldName(), has.getParameterName());
        } else if (parameter instanceof ReferenceParam reference) {
            parts = Stream.of(reference.getResourceType(), reference.getChain());
        }
        String[] names = parts.filter(Objects::nonNull).collect(Collectors.joining(":")).split("[:.]");
        return Stream.concat(
                Stream.of(names),
                IntStream.range(1, names.length).mapToObj(i -> names[i - 1] + ":" + names[i]));
    }
}
