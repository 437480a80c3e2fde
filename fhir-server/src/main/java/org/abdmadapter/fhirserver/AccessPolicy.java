package org.abdmadapter.fhirserver;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Optional;
import org.springframework.core.env.Environment;

/**
 * Who may call the FHIR API: everyone who knows the token, or anyone at all on this very machine.
 *
 * <p>A patient-record store without a lock is opened only by a decision ({@code FHIR_ANONYMOUS}), and
 * never to a network.
 */
record AccessPolicy(Optional<byte[]> token) {

    /** Start-up was refused; the message is a sentence that tells what to set. */
    static final class Refused extends RuntimeException {
        Refused(String message) {
            super(message);
        }
    }

    /**
     * Reads FHIR_TOKEN, FHIR_ANONYMOUS and SERVER_ADDRESS.
     *
     * @throws Refused when neither a token nor anonymous access on loopback is configured
     */
    static AccessPolicy from(Environment environment) {
        String token = environment.getProperty("FHIR_TOKEN", "").strip();
        boolean anonymous = environment.getProperty("FHIR_ANONYMOUS", "").strip().equalsIgnoreCase("true");
        if (!token.isEmpty()) {
            return new AccessPolicy(Optional.of(token.getBytes(StandardCharsets.UTF_8)));
        }
        if (!anonymous) {
            throw new Refused(
                    "FHIR_TOKEN is not set, so nobody could be told from anybody. Set FHIR_TOKEN to a long random"
                            + " text and give it to the adapter, or set FHIR_ANONYMOUS=true for a server that only"
                            + " this machine can reach.");
        }
        String address = environment.getProperty("server.address", "");
        if (!isLoopback(address)) {
            throw new Refused(
                    "FHIR_ANONYMOUS=true is allowed only on a loopback address, and SERVER_ADDRESS is '"
                            + address
                            + "'. Set FHIR_TOKEN, or leave SERVER_ADDRESS at 127.0.0.1.");
        }
        return new AccessPolicy(Optional.empty());
    }

    /** Whether a request with this Authorization header (or none) may pass. */
    boolean permits(String authorization) {
        if (token.isEmpty()) {
            return true;
        }
        String scheme = "Bearer ";
        if (authorization == null || !authorization.regionMatches(true, 0, scheme, 0, scheme.length())) {
            return false;
        }
        byte[] given = authorization.substring(scheme.length()).strip().getBytes(StandardCharsets.UTF_8);
        // Constant time: the answer's delay must not tell how many leading characters were right.
        return MessageDigest.isEqual(token.get(), given);
    }

    private static boolean isLoopback(String address) {
        try {
            // An empty address means every network interface, though Java resolves it to loopback.
            return !address.isBlank() && InetAddress.getByName(address.strip()).isLoopbackAddress();
        } catch (UnknownHostException unknown) {
            return false;
        }
    }
}
