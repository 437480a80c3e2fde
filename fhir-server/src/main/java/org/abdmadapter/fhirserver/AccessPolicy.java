package org.abdmadapter.fhirserver;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.springframework.core.env.Environment;

/**
 * Who may call the FHIR API, and as what: whoever knows a token or has one of the issuer's, or anyone at
 * all on this very machine.
 *
 * <p>A patient-record store without a lock is opened only by a decision ({@code FHIR_ANONYMOUS}), and
 * never to a network.
 */
record AccessPolicy(List<Key> keys, Optional<TokenIssuer> issuer) {

    /** A token's SHA-256, and the role of whoever shows the token. */
    private record Key(byte[] digest, Role role) {}

    /** Start-up was refused; the message is a sentence that tells what to set. */
    static final class Refused extends RuntimeException {
        Refused(String message) {
            super(message);
        }
    }

    private static final int SHORTEST_TOKEN = 16;
    private static final String ADAPTERS_TOKEN = "FHIR_TOKEN";
    private static final Map<String, Role> TOKENS = new LinkedHashMap<>();

    static {
        TOKENS.put(ADAPTERS_TOKEN, Role.ADAPTER);
        TOKENS.put("FHIR_HIMS_TOKENS", Role.HIMS);
        TOKENS.put("FHIR_ANALYST_TOKENS", Role.ANALYST);
        TOKENS.put("FHIR_ANALYST_RECEIVED_TOKENS", Role.ANALYST_RECEIVED);
        TOKENS.put("FHIR_ADMIN_TOKENS", Role.ADMIN);
    }

    private static final String JWT_ISSUER = "FHIR_JWT_ISSUER";
    private static final String JWT_JWKS_URL = "FHIR_JWT_JWKS_URL";
    private static final String JWT_AUDIENCE = "FHIR_JWT_AUDIENCE";
    private static final String DEFAULT_ROLE_CLAIM = "scope";

    /**
     * Reads the tokens of each role, the issuer, FHIR_ANONYMOUS and SERVER_ADDRESS.
     *
     * @throws Refused when a setting will not do, or when neither a token nor anonymous access on loopback
     *     is configured
     */
    static AccessPolicy from(Environment environment) {
        List<Key> keys = keys(environment);
        Optional<TokenIssuer> issuer = issuer(environment);
        if (keys.stream().anyMatch(key -> key.role == Role.ADAPTER)) {
            return new AccessPolicy(keys, issuer);
        }
        boolean anonymous = setting(environment, "FHIR_ANONYMOUS").equalsIgnoreCase("true");
        if (!anonymous || !keys.isEmpty() || issuer.isPresent()) {
            throw new Refused(
                    "FHIR_TOKEN is not set, so nobody could be told from anybody. Set FHIR_TOKEN to a long random"
                            + " text and give it to the adapter, or set FHIR_ANONYMOUS=true and no other token for a"
                            + " server that only this machine can reach.");
        }
        String address = environment.getProperty("server.address", "");
        if (!isLoopback(address)) {
            throw new Refused(
                    "FHIR_ANONYMOUS=true is allowed only on a loopback address, and SERVER_ADDRESS is '"
                            + address
                            + "'. Set FHIR_TOKEN, or leave SERVER_ADDRESS at 127.0.0.1.");
        }
        return new AccessPolicy(keys, issuer);
    }

    /**
     * The role of a request with this Authorization header (or none).
     *
     * @throws AccessRefused when it may not pass
     */
    Role roleOf(String authorization) throws AccessRefused {
        if (keys.isEmpty()) {
            return Role.ADMIN;
        }
        String scheme = "Bearer ";
        if (authorization == null || !authorization.regionMatches(true, 0, scheme, 0, scheme.length())) {
            throw noToken();
        }
        String given = authorization.substring(scheme.length()).strip();
        byte[] digest = digest(given);
        Role found = Role.NOBODY;
        for (Key key : keys) {
            // Constant time, and never only the first few: the delay must not tell how near a guess was.
            found = MessageDigest.isEqual(key.digest, digest) ? key.role : found;
        }
        if (found == Role.NOBODY && issuer.isPresent() && TokenIssuer.looksLikeJwt(given)) {
            return issuer.get().roleOf(given);
        }
        if (found == Role.NOBODY) {
            throw noToken();
        }
        return found;
    }

    private static AccessRefused noToken() {
        return new AccessRefused(
                401,
                "login",
                "Send the header 'Authorization: Bearer <token>' with a token that this server was started with:"
                        + " the adapter's is FHIR_TOKEN, its README names those of other roles.");
    }

    private static List<Key> keys(Environment environment) {
        List<Key> keys = new ArrayList<>();
        Map<String, String> seen = new LinkedHashMap<>();
        TOKENS.forEach(
                (name, role) -> {
                    String value = setting(environment, name);
                    // The adapter has one token, and a comma may be part of it.
                    String[] tokens = name.equals(ADAPTERS_TOKEN) ? new String[] {value} : value.split(",");
                    for (String each : tokens) {
                        String token = each.strip();
                        if (token.isEmpty()) {
                            continue;
                        }
                        if (token.length() < SHORTEST_TOKEN) {
                            throw new Refused(
                                    "a token in " + name + " is shorter than " + SHORTEST_TOKEN
                                            + " characters and could be guessed. Use a long random text.");
                        }
                        String other = seen.putIfAbsent(token, name);
                        if (other != null && !other.equals(name)) {
                            throw new Refused(
                                    "the same token is in " + other + " and " + name
                                            + ", so its role can't be told. Give each role tokens of its own.");
                        }
                        keys.add(new Key(digest(token), role));
                    }
                });
        return List.copyOf(keys);
    }

    private static Optional<TokenIssuer> issuer(Environment environment) {
        List<String> names = List.of(JWT_ISSUER, JWT_JWKS_URL, JWT_AUDIENCE);
        List<String> missing = names.stream().filter(name -> setting(environment, name).isEmpty()).toList();
        if (missing.equals(names)) {
            return Optional.empty();
        }
        if (!missing.isEmpty()) {
            throw new Refused(
                    "tokens of an issuer need " + String.join(", ", names) + " together, and there is no "
                            + String.join(", ", missing) + ". Set it, or leave all of them out.");
        }
        String roleClaim = setting(environment, "FHIR_JWT_ROLE_CLAIM");
        return Optional.of(
                new TokenIssuer(
                        setting(environment, JWT_ISSUER),
                        TokenIssuer.keysAt(setting(environment, JWT_JWKS_URL)),
                        setting(environment, JWT_AUDIENCE),
                        roleClaim.isEmpty() ? DEFAULT_ROLE_CLAIM : roleClaim));
    }

    private static String setting(Environment environment, String name) {
        return environment.getProperty(name, "").strip();
    }

    private static byte[] digest(String token) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static boolean isLoopback(String address) {
        try {
            // An empty address means every network interface, though Java resolves it to loopback.
            return !address.isBlank() && InetAddress.getByName(address.strip()).isLoopbackAddress();
        } catch (UnknownHostException unknown) {
            return false;
        }
    }
}
