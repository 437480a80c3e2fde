package org.abdmadapter.fhirserver;

import ca.uhn.fhir.interceptor.api.Hook;
import ca.uhn.fhir.interceptor.api.Interceptor;
import ca.uhn.fhir.interceptor.api.Pointcut;
import ca.uhn.fhir.rest.api.RestOperationTypeEnum;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.api.server.ResponseDetails;
import ca.uhn.fhir.rest.server.interceptor.auth.AuthorizationConstants;
import ca.uhn.fhir.rest.server.interceptor.consent.ConsentInterceptor;
import ca.uhn.fhir.rest.server.interceptor.consent.ConsentOutcome;
import ca.uhn.fhir.rest.server.interceptor.consent.IConsentContextServices;
import ca.uhn.fhir.rest.server.interceptor.consent.IConsentService;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;

/**
 * Takes what a role may not see out of every answer, by whatever way it would get there: read, an old
 * version, a search's includes, history, an operation, or a condition that it would have met.
 *
 * <p>A resource that is left out leaves no gap to be told by: a read answers that it is not known.
 */
@Interceptor(order = AuthorizationConstants.ORDER_CONSENT_INTERCEPTOR)
class HiddenRecords extends ConsentInterceptor {

    HiddenRecords() {
        super(new ByRole());
    }

    /**
     * Decides by the role alone. HAPI's own would also refuse every {@code _summary=count} and
     * {@code _total=accurate}, which are safe here, since a search counts nothing hidden.
     */
    @Override
    @Hook(Pointcut.SERVER_INCOMING_REQUEST_PRE_HANDLED)
    public void interceptPreHandled(RequestDetails request) {
        if (Role.of(request).isUnrestricted()) {
            // The adapter's answers are not looked through at all, and lose no time here.
            authorizeRequest(request);
        }
    }

    /**
     * As in HAPI, which drops the total of each answer that it has looked through, since it might count
     * what was taken out. That of a search counts nothing hidden (see {@link OwnRecordsSearch}) and stays.
     */
    @Override
    @Hook(Pointcut.SERVER_OUTGOING_RESPONSE)
    public void interceptOutgoingResponse(RequestDetails request, ResponseDetails response) {
        boolean narrowed = request.getRestOperationType() == RestOperationTypeEnum.SEARCH_TYPE;
        if (narrowed && response.getResponseResource() instanceof Bundle bundle && bundle.hasTotal()) {
            int total = bundle.getTotal();
            super.interceptOutgoingResponse(request, response);
            bundle.setTotal(total);
        } else {
            super.interceptOutgoingResponse(request, response);
        }
    }

    private static final class ByRole implements IConsentService {

        @Override
        public ConsentOutcome canSeeResource(
                RequestDetails request, IBaseResource resource, IConsentContextServices services) {
            boolean hidden = Role.of(request).mayNotSee(resource);
            if (hidden && request.getRestOperationType() == RestOperationTypeEnum.TRANSACTION) {
                // Reads have requests of their own. HAPI would leave the write undone and answer 200.
                throw RoleRules.refused(request);
            }
            return hidden ? ConsentOutcome.REJECT : ConsentOutcome.PROCEED;
        }

        @Override
        public ConsentOutcome willSeeResource(
                RequestDetails request, IBaseResource resource, IConsentContextServices services) {
            return Role.of(request).mayNotSee(resource) ? ConsentOutcome.REJECT : ConsentOutcome.PROCEED;
        }
    }
}
