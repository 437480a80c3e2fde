package org.abdmadapter.fhirserver;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** Turns a refused start into one readable sentence instead of a stack trace. */
class RefusedStartAnalyzer extends AbstractFailureAnalyzer<AccessPolicy.Refused> {

    @Override
    protected FailureAnalysis analyze(Throwable rootFailure, AccessPolicy.Refused cause) {
        return new FailureAnalysis("The FHIR server does not start: " + cause.getMessage(), null, cause);
    }
}
