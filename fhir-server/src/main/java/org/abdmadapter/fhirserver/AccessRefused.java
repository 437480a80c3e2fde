package org.abdmadapter.fhirserver;

/** A caller is not let in; the message is a sentence that tells what to send. It never quotes the token. */
final class AccessRefused extends Exception {

    final int status;
    /** A code of FHIR's value set issue-type. */
    final String code;

    AccessRefused(int status, String code, String message) {
        super(message, null, false, false);
        this.status = status;
        this.code = code;
    }
}
