package org.abdmadapter.fhirserver;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.RemoteKeySourceException;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.jwk.source.JWKSetUnavailableException;
import com.nimbusds.jose.jwk.source.RateLimitReachedException;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.net.URL;
import java.text.ParseException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Reads the role out of a JWT access token of the hospital's OAuth2 or OpenID Connect issuer.
 *
 * <p>Signature (RS256 or ES256 by a key of the issuer's JWKS), issuer, audience and expiry are checked.
 * The keys are kept for minutes, and through an outage of the issuer for an hour.
 */
final class TokenIssuer {

    private static final Set<JWSAlgorithm> ALGORITHMS = Set.of(JWSAlgorithm.RS256, JWSAlgorithm.ES256);
    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    private static final Duration KEYS_KEPT = Duration.ofMinutes(5);
    private static final Duration KEYS_KEPT_IN_OUTAGE = Duration.ofHours(1);
    /** Many times what an issuer publishes. */
    private static final int MAXIMUM_JWKS_BYTES = 256_000;

    private static final int CLOCK_SKEW_SECONDS = 60;

    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    private final String[] roleClaim;

    /**
     * @param roleClaim where the token names the role; dots lead into objects, as in
     *     {@code realm_access.roles}
     */
    TokenIssuer(String issuer, URL keys, String audience, String roleClaim) {
        this.roleClaim = roleClaim.split("\\.");
        int timeout = (int) TIMEOUT.toMillis();
        processor.setJWSTypeVerifier(
                new DefaultJOSEObjectTypeVerifier<>(JOSEObjectType.JWT, new JOSEObjectType("at+jwt"), null));
        processor.setJWSKeySelector(
                new JWSVerificationKeySelector<>(
                        ALGORITHMS,
                        JWKSourceBuilder.create(
                                        keys, new DefaultResourceRetriever(timeout, timeout, MAXIMUM_JWKS_BYTES))
                                .cache(KEYS_KEPT.toMillis(), 2L * timeout)
                                .refreshAheadCache(false)
                                .outageTolerant(KEYS_KEPT_IN_OUTAGE.toMillis())
                                .build()));
        DefaultJWTClaimsVerifier<SecurityContext> claims =
                new DefaultJWTClaimsVerifier<>(
                        audience, new JWTClaimsSet.Builder().issuer(issuer).build(), Set.of("exp"));
        claims.setMaxClockSkew(CLOCK_SKEW_SECONDS);
        processor.setJWTClaimsSetVerifier(claims);
    }

    /** Where keys are fetched from: https, or this machine. */
    static URL keysAt(String url) {
        try {
            URI uri = URI.create(url);
            boolean safe = "https".equals(uri.getScheme())
                    || ("http".equals(uri.getScheme()) && AccessPolicy.isLoopback(String.valueOf(uri.getHost())));
            if (safe) {
                return uri.toURL();
            }
        } catch (IllegalArgumentException | java.net.MalformedURLException unreadable) {
            // Refused below, like any other URL that will not do.
        }
        throw new AccessPolicy.Refused(
                "FHIR_JWT_JWKS_URL is not an https URL. Set it to where the issuer publishes its keys"
                        + " (jwks_uri in its .well-known/openid-configuration).");
    }

    static boolean looksLikeJwt(String token) {
        return token.chars().filter(each -> each == '.').count() == 2;
    }

    /**
     * The role that this token grants.
     *
     * @throws AccessRefused with 401 for a token that is not valid here, 403 for one without exactly one
     *     role, 503 when the issuer's keys cannot be had
     */
    Role roleOf(String token) throws AccessRefused {
        try {
            return role(processor.process(token, null));
        } catch (RateLimitReachedException unknownKey) {
            throw invalid();
        } catch (RemoteKeySourceException | JWKSetUnavailableException unavailable) {
            throw new AccessRefused(
                    503, "transient", "The issuer's keys (FHIR_JWT_JWKS_URL) can't be fetched; try again later.");
        } catch (ParseException | BadJOSEException | JOSEException refused) {
            throw invalid();
        }
    }

    private static AccessRefused invalid() {
        return new AccessRefused(
                401,
                "login",
                "The access token is not valid here: it must be signed (RS256 or ES256) by FHIR_JWT_ISSUER for the"
                        + " audience FHIR_JWT_AUDIENCE and not be expired. Get a new one from the issuer.");
    }

    private Role role(JWTClaimsSet claims) throws AccessRefused {
        Object value = claims.getClaims();
        for (String name : roleClaim) {
            value = value instanceof Map<?, ?> object ? object.get(name) : null;
        }
        EnumSet<Role> granted = EnumSet.noneOf(Role.class);
        words(value).map(Role::granted).forEach(found -> found.ifPresent(granted::add));
        if (granted.contains(Role.ANALYST_RECEIVED)) {
            granted.remove(Role.ANALYST);
        }
        if (granted.size() != 1) {
            throw new AccessRefused(
                    403,
                    "forbidden",
                    "The access token must name one role in its claim "
                            + String.join(".", roleClaim)
                            + ": hims, analyst, analyst.received or admin.");
        }
        return granted.iterator().next();
    }

    /** The words of a scope ("openid analyst") or of a list of roles. */
    private static Stream<String> words(Object value) {
        if (value instanceof Collection<?> list) {
            return list.stream().map(String::valueOf);
        }
        return value instanceof String text ? Arrays.stream(text.split(" ")) : Stream.empty();
    }
}
