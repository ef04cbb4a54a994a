import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URL;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Nimbus JOSE + JWT as a resource server uses it. The protocol is in ../README.md. */
final class Nimbus {
    private static final int TIMEOUT = 10_000;

    private Nimbus() {}

    public static void main(String[] arguments) throws Exception {
        Protocol.serve(Nimbus::configure);
    }

    private static Protocol.Verifier configure(Map<String, Object> request) throws Exception {
        var http = new DefaultResourceRetriever(TIMEOUT, TIMEOUT);
        var builder = JWKSourceBuilder.<SecurityContext>create(jwksUri(request, http), http);
        // The interval only spares the server; without it a key made a moment ago is found at once, as the tests want.
        long cooldown = ((Number) request.getOrDefault("cooldown_ms", 0)).longValue();
        var keys = (cooldown > 0 ? builder.rateLimited(cooldown) : builder.rateLimited(false)).build();

        Set<JWSAlgorithm> algorithms = new HashSet<>();
        for (Object algorithm : (List<?>) request.get("algorithms")) {
            algorithms.add(JWSAlgorithm.parse((String) algorithm));
        }
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(algorithms, keys));
        String typ = (String) request.get("typ");
        if (typ != null) {
            processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType(typ)));
        }
        processor.setJWTClaimsSetVerifier(
                new DefaultJWTClaimsVerifier<>(
                        (String) request.get("audience"),
                        new JWTClaimsSet.Builder().issuer((String) request.get("issuer")).build(),
                        // Only the claims that are present are checked, unless named here.
                        Set.of("sub", "exp", "iat")));
        return token -> processor.process(token, null).toJSONObject();
    }

    /** Where the keys are: as told, or by the metadata, which has to name the very same issuer (Discovery 4.3). */
    private static URL jwksUri(Map<String, Object> request, DefaultResourceRetriever http) throws Exception {
        if (request.get("mode").equals("jwks")) {
            return new URL((String) request.get("jwks_uri"));
        }
        Object issuer = request.get("issuer");
        var url = new URL(issuer + ".well-known/openid-configuration");
        Map<String, Object> metadata = JSONObjectUtils.parse(http.retrieveResource(url).getContent());
        if (!issuer.equals(metadata.get("issuer"))) {
            throw new IllegalStateException("the metadata names the issuer " + metadata.get("issuer"));
        }
        return new URL((String) metadata.get("jwks_uri"));
    }
}
