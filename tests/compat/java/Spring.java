import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.SignedJWT;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtAudienceValidator;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;

/** Spring Security's JwtDecoder as a resource server uses it. The protocol is in ../README.md. */
final class Spring {
    private Spring() {}

    public static void main(String[] arguments) throws Exception {
        Protocol.serve(Spring::configure);
    }

    private static Protocol.Verifier configure(Map<String, Object> request) {
        String issuer = (String) request.get("issuer");
        var builder =
                request.get("mode").equals("discovery")
                        ? NimbusJwtDecoder.withIssuerLocation(issuer)
                        : NimbusJwtDecoder.withJwkSetUri((String) request.get("jwks_uri"));
        for (Object algorithm : (List<?>) request.get("algorithms")) {
            builder.jwsAlgorithm(SignatureAlgorithm.from((String) algorithm));
        }
        NimbusJwtDecoder decoder = builder.validateType(false).build();

        List<OAuth2TokenValidator<Jwt>> validators = new ArrayList<>();
        validators.add(new JwtTimestampValidator());
        validators.add(new JwtIssuerValidator(issuer));
        validators.add(new JwtAudienceValidator((String) request.get("audience")));
        if (request.get("typ") != null) {
            validators.add(new JwtTypeValidator((String) request.get("typ")));
        }
        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(validators));
        return token -> claims(decoder.decode(token));
    }

    /** The claims as they are in the token: Spring's own are converted, with times as Java has them. */
    private static Map<String, Object> claims(Jwt jwt) throws Exception {
        return SignedJWT.parse(jwt.getTokenValue()).getPayload().toJSONObject();
    }
}
