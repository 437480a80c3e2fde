package org.abdmadapter.fhirserver;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Lets a FHIR request pass only with the bearer token.
 *
 * <p>It stands before HAPI's servlet, so that nothing of a stranger's request is parsed. The capability
 * statement stays open, as FHIR clients read it before they authenticate and it holds no patient data.
 */
class BearerTokenFilter extends OncePerRequestFilter {

    private static final String OUTCOME =
            """
            {"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login",\
            "diagnostics":"Send the header 'Authorization: Bearer <FHIR_TOKEN>' with the token that this \
            server was started with."}]}""";

    private final AccessPolicy policy;

    BearerTokenFilter(AccessPolicy policy) {
        this.policy = policy;
    }

    @Override
    protected void doFilterInternal(
            HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        if (isCapabilityStatement(request) || policy.permits(request.getHeader("Authorization"))) {
            chain.doFilter(request, response);
            return;
        }
        response.setStatus(HttpServletResponse.SC_UNAUTHORIZED);
        response.setHeader("WWW-Authenticate", "Bearer realm=\"fhir\"");
        response.setContentType("application/fhir+json;charset=UTF-8");
        response.getOutputStream().write(OUTCOME.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean isCapabilityStatement(HttpServletRequest request) {
        return request.getMethod().equals("GET")
                && "/metadata".equals(request.getPathInfo() == null ? "" : request.getPathInfo())
                && request.getRequestURI().equals(RestServerConfiguration.FHIR_PATH + "/metadata");
    }
}
