package org.abdmadapter.fhirserver;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Lets a FHIR request pass only with a bearer token, and notes the role that the token gives.
 *
 * <p>It stands before HAPI's servlet, so that nothing of a stranger's request is parsed. The capability
 * statement stays open, as FHIR clients read it before they authenticate and it holds no patient data.
 */
class BearerTokenFilter extends OncePerRequestFilter {

    private static final String OUTCOME =
            """
            {"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"%s","diagnostics":"%s"}]}""";

    private final AccessPolicy policy;

    BearerTokenFilter(AccessPolicy policy) {
        this.policy = policy;
    }

    @Override
    protected void doFilterInternal(
            HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        if (!isCapabilityStatement(request)) {
            try {
                policy.roleOf(request.getHeader("Authorization")).noteOn(request);
            } catch (AccessRefused refused) {
                answer(response, refused);
                return;
            }
        }
        chain.doFilter(request, response);
    }

    private static void answer(HttpServletResponse response, AccessRefused refused) throws IOException {
        response.setStatus(refused.status);
        if (refused.status == HttpServletResponse.SC_UNAUTHORIZED) {
            response.setHeader("WWW-Authenticate", "Bearer realm=\"fhir\"");
        }
        response.setContentType("application/fhir+json;charset=UTF-8");
        byte[] body = OUTCOME.formatted(refused.code, refused.getMessage()).getBytes(StandardCharsets.UTF_8);
        response.getOutputStream().write(body);
    }

    private static boolean isCapabilityStatement(HttpServletRequest request) {
        return request.getMethod().equals("GET")
                && "/metadata".equals(request.getPathInfo() == null ? "" : request.getPathInfo())
                && request.getRequestURI().equals(RestServerConfiguration.FHIR_PATH + "/metadata");
    }
}
