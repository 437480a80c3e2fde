package org.abdmadapter.fhirserver;

import ca.uhn.fhir.i18n.Msg;
import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.rest.api.RequestTypeEnum;
import ca.uhn.fhir.rest.api.RestOperationTypeEnum;
import ca.uhn.fhir.rest.api.server.IPreResourceShowDetails;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.server.exceptions.ForbiddenOperationException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.interceptor.auth.AuthorizationConstants;
import ca.uhn.fhir.rest.server.interceptor.auth.AuthorizationInterceptor;
import ca.uhn.fhir.rest.server.interceptor.auth.IAuthRule;
import ca.uhn.fhir.rest.server.interceptor.auth.IAuthRuleBuilder;
import ca.uhn.fhir.rest.server.interceptor.auth.RuleBuilder;
import ca.uhn.fhir.util.BundleUtil;
import jakarta.servlet.http.HttpServletRequest;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.hl7.fhir.instance.model.api.IBaseBundle;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.instance.model.api.IIdType;

/**
 * What each role may do. What a role may not see is {@link HiddenRecords}' and {@link OwnRecordsSearch}'s.
 *
 * <p>HAPI asks at the request, and again at each resource that is stored, so the entries of a batch or
 * transaction, a patch, and what a condition finds are judged like calls of their own. The adapter and
 * the admin may do everything, and their requests are let through unread.
 */
@Interceptor(order = AuthorizationConstants.ORDER_AUTH_INTERCEPTOR)
class RoleRules extends AuthorizationInterceptor {

    /** What the server itself works by: how it searches and validates is nobody's to change but its own. */
    private static final List<String> DEFINITIONS =
            List.of(
                    "CapabilityStatement",
                    "CodeSystem",
                    "CompartmentDefinition",
                    "ConceptMap",
                    "GraphDefinition",
                    "ImplementationGuide",
                    "MessageDefinition",
                    "NamingSystem",
                    "OperationDefinition",
                    "SearchParameter",
                    "StructureDefinition",
                    "StructureMap",
                    "TerminologyCapabilities",
                    "ValueSet");

    /** Operations on one resource whose answer is looked through like a search's. */
    private static final List<String> ON_INSTANCES = List.of("$everything", "$document");

    /** Operations on what the caller sends, and on terminology. */
    private static final List<String> ON_TYPES =
            List.of("$validate", "$expand", "$lookup", "$subsumes", "$translate", "$validate-code");

    /** Their entries and gaps would tell how much there is that the caller may not see. */
    private static final Set<RestOperationTypeEnum> WIDE_HISTORY =
            Set.of(RestOperationTypeEnum.HISTORY_TYPE, RestOperationTypeEnum.HISTORY_SYSTEM);

    private static final Set<RequestTypeEnum> READS = Set.of(RequestTypeEnum.GET, RequestTypeEnum.HEAD);
    private static final String PARAM_EXPUNGE = "_expunge";

    private final Map<Role, List<IAuthRule>> rules = new EnumMap<>(Role.class);

    RoleRules() {
        for (Role role : Role.values()) {
            rules.put(role, rulesOf(role));
        }
    }

    /** One sentence: what the role may do, and which role may do more. */
    private static String refusal(Role role) {
        String may =
                switch (role) {
                    case HIMS -> "reads and writes the hospital's own records; Consent, Provenance, AuditEvent,"
                            + " Subscription, definitions, received records and other operations need the role"
                            + " 'adapter' or 'admin'";
                    case ANALYST -> "only reads, and the hospital's own records; received records need the role"
                            + " 'analyst.received', writing 'hims', and everything else 'admin'";
                    case ANALYST_RECEIVED -> "only reads; writing needs the role 'hims', and everything else 'admin'";
                    default -> "reads nothing but the capability statement; send a token";
                };
        return "The role '" + role.word + "' " + may + ".";
    }

    @Hook(Pointcut.SERVER_INCOMING_REQUEST_PRE_HANDLER_SELECTED)
    public void keepRole(RequestDetails details, HttpServletRequest request) {
        Role.keep(details, request);
    }

    @Override
    public List<IAuthRule> buildRuleList(RequestDetails request) {
        return rules.get(Role.of(request));
    }

    @Override
    protected void handleDeny(RequestDetails request, Verdict decision) {
        throw refused(request);
    }

    private static List<IAuthRule> rulesOf(Role role) {
        if (role.isUnrestricted()) {
            return new RuleBuilder().allowAll().build();
        }
        IAuthRuleBuilder builder = new RuleBuilder();
        builder.allow().metadata();
        if (role == Role.NOBODY) {
            return builder.build();
        }
        builder.allow().read().allResources().withAnyId();
        ON_INSTANCES.forEach(
                name -> builder.allow().operation().named(name).onAnyInstance().andAllowAllResponses());
        ON_TYPES.forEach(name -> builder.allow().operation().named(name).onAnyType().andAllowAllResponses());
        builder.allow().transaction().withAnyOperation().andApplyNormalRules();
        if (role == Role.HIMS) {
            DEFINITIONS.forEach(type -> builder.deny().write().resourcesOfType(type).withAnyId());
            DEFINITIONS.forEach(type -> builder.deny().delete().resourcesOfType(type).withAnyId());
            // What a patch makes of the resource is judged when it is stored.
            builder.allow().patch().allRequests();
            builder.allow().write().allResources().withAnyId();
            builder.allow().delete().allResources().withAnyId();
        }
        return builder.build();
    }

    @Override
    @Hook(Pointcut.SERVER_INCOMING_REQUEST_PRE_HANDLED)
    public void incomingRequestPreHandled(RequestDetails request, Pointcut pointcut) {
        Role role = Role.of(request);
        if (role.isUnrestricted()) {
            return;
        }
        if (WIDE_HISTORY.contains(request.getRestOperationType())) {
            throw new ForbiddenOperationException(
                    "The history of a whole type or server needs the role 'adapter' or 'admin'. Search by"
                            + " _lastUpdated for what has changed.");
        }
        if ("$validate".equals(request.getOperation())) {
            if (role == Role.NOBODY || request.getId() != null) {
                // On a stored resource it would tell of what the caller may not see.
                throw refused(request);
            }
            return;
        }
        // Not a rule of HAPI's: one that denies a type to read denies every next page of a search too.
        if (role.mayNotSeeType(request.getResourceName())) {
            throw refused(request);
        }
        refuseReservedId(role, request);
        refuseConditionalDelete(request);
        super.incomingRequestPreHandled(request, pointcut);
    }

    /** Answers like HAPI does where there is nothing, also for what is deleted (otherwise 410). */
    private static void refuseReservedId(Role role, RequestDetails request) {
        IIdType id = request.getId();
        if (role.seesReceived || id == null || !Received.isReservedId(id.getIdPart())) {
            return;
        }
        if (READS.contains(request.getRequestType())) {
            throw new ResourceNotFoundException(
                    Msg.code(2001) + "Resource " + id.toUnqualifiedVersionless().getValue() + " is not known");
        }
        throw refused(request);
    }

    /** HAPI counts what its condition finds before anybody is asked whether the caller may see it. */
    private static void refuseConditionalDelete(RequestDetails request) {
        boolean conditional = request.getRequestType() == RequestTypeEnum.DELETE && request.getId() == null;
        boolean erases = request.getParameters().containsKey(PARAM_EXPUNGE);
        if (request.getResource() instanceof IBaseBundle bundle
                && request.getRestOperationType() == RestOperationTypeEnum.TRANSACTION) {
            conditional =
                    BundleUtil.toListOfEntries(request.getFhirContext(), bundle).stream()
                            .anyMatch(
                                    entry ->
                                            entry.getRequestType() == RequestTypeEnum.DELETE
                                                    && entry.getUrl() != null
                                                    && entry.getUrl().contains("?"));
        }
        if (conditional || erases) {
            throw new ForbiddenOperationException(
                    "Deleting by a condition and erasing need the role 'adapter' or 'admin'. Search, and delete"
                            + " each resource by its id.");
        }
    }

    @Override
    @Hook(Pointcut.STORAGE_PRESHOW_RESOURCES)
    public void hookPreShow(RequestDetails request, IPreResourceShowDetails details, Pointcut pointcut) {
        if (!Role.of(request).isUnrestricted()) {
            super.hookPreShow(request, details, pointcut);
        }
    }

    @Override
    @Hook(Pointcut.SERVER_OUTGOING_RESPONSE)
    public void hookOutgoingResponse(RequestDetails request, IBaseResource response, Pointcut pointcut) {
        if (!Role.of(request).isUnrestricted()) {
            super.hookOutgoingResponse(request, response, pointcut);
        }
    }

    @Override
    @Hook(Pointcut.STORAGE_PRESTORAGE_RESOURCE_CREATED)
    public void hookResourcePreCreate(RequestDetails request, IBaseResource resource, Pointcut pointcut) {
        if (!Role.of(request).isUnrestricted()) {
            refuseHidden(request, resource);
            refuseReferencesToHidden(request, resource);
            super.hookResourcePreCreate(request, resource, pointcut);
        }
    }

    @Override
    @Hook(Pointcut.STORAGE_PRESTORAGE_RESOURCE_UPDATED)
    public void hookResourcePreUpdate(
            RequestDetails request, IBaseResource before, IBaseResource after, Pointcut pointcut) {
        if (!Role.of(request).isUnrestricted()) {
            if (before != null) {
                refuseHidden(request, before);
            }
            refuseHidden(request, after);
            refuseReferencesToHidden(request, after);
            super.hookResourcePreUpdate(request, before, after, pointcut);
        }
    }

    @Override
    @Hook(Pointcut.STORAGE_PRESTORAGE_RESOURCE_DELETED)
    public void hookResourcePreDelete(RequestDetails request, IBaseResource resource, Pointcut pointcut) {
        if (!Role.of(request).isUnrestricted()) {
            refuseHidden(request, resource);
            super.hookResourcePreDelete(request, resource, pointcut);
        }
    }

    private static void refuseHidden(RequestDetails request, IBaseResource resource) {
        if (Role.of(request).mayNotSee(resource)) {
            throw refused(request);
        }
    }

    /** Over a reference, chained searches could ask what the resource at its end says. */
    private static void refuseReferencesToHidden(RequestDetails request, IBaseResource resource) {
        Role role = Role.of(request);
        boolean found =
                request.getFhirContext().newTerser().getAllResourceReferences(resource).stream()
                        .map(each -> each.getResourceReference().getReferenceElement())
                        .anyMatch(
                                target ->
                                        role.mayNotSeeType(target.getResourceType())
                                                || Received.isReservedId(target.getIdPart()));
        if (found) {
            throw refused(request);
        }
    }

    static ForbiddenOperationException refused(RequestDetails request) {
        return new ForbiddenOperationException(refusal(Role.of(request)));
    }
}
