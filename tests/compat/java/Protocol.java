import com.nimbusds.jose.util.JSONObjectUtils;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

/** What the programs of this folder share: the lines in and out, and the way to the issuer. See ../README.md. */
final class Protocol {
    private Protocol() {}

    /** A library that is set up. */
    interface Verifier {
        Map<String, Object> verify(String token) throws Exception;
    }

    /** Sets a library up as a `configure` request says. */
    interface Setup {
        Verifier configure(Map<String, Object> request) throws Exception;
    }

    /** Answers each line of standard input, and ends the process at the end of it. */
    static void serve(Setup setup) throws IOException {
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Verifier verifier = null;
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Map<String, Object> reply = new LinkedHashMap<>();
            // Any exception is an answer: which class it has is what the tests ask.
            try {
                Map<String, Object> request = JSONObjectUtils.parse(line);
                String op = (String) request.get("op");
                if (op.equals("configure")) {
                    trust(request);
                    verifier = setup.configure(request);
                } else if (op.equals("verify") && verifier != null) {
                    reply.put("claims", verifier.verify((String) request.get("token")));
                } else {
                    throw new IllegalArgumentException("cannot do op " + op + " now");
                }
                reply.put("ok", true);
            } catch (Exception error) {
                reply.put("ok", false);
                reply.put("error", error.getClass().getSimpleName());
                reply.put("message", error.getMessage());
            }
            System.out.println(JSONObjectUtils.toJSONString(reply));
        }
        // The libraries refresh their keys on threads that would keep the process alive.
        System.exit(0);
    }

    /** From now on HTTPS trusts only `ca_file`, and dials `connect` for every host that is not an IP address. */
    private static void trust(Map<String, Object> request) throws Exception {
        String file = (String) request.get("ca_file");
        if (file == null) {
            return;
        }
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (var pem = new FileInputStream(file)) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        var factory = new Redirecting(context.getSocketFactory(), (String) request.get("connect"));
        HttpsURLConnection.setDefaultSSLSocketFactory(factory);
    }

    /** TLS as the JDK does it, over sockets that dial another address. */
    private static final class Redirecting extends SSLSocketFactory {
        private final SSLSocketFactory tls;
        private final InetSocketAddress there;

        Redirecting(SSLSocketFactory tls, String connect) {
            this.tls = tls;
            int colon = connect.lastIndexOf(':');
            int port = Integer.parseInt(connect.substring(colon + 1));
            this.there = new InetSocketAddress(connect.substring(0, colon), port);
        }

        /** A plain socket: the JDK connects it and puts TLS, with the name of the URL's host, on top. */
        @Override
        public Socket createSocket() {
            return new Socket() {
                @Override
                public void connect(SocketAddress address, int timeout) throws IOException {
                    String host = ((InetSocketAddress) address).getHostString();
                    boolean isAddress = host.contains(":") || host.matches("[0-9.]+");
                    super.connect(isAddress ? address : there, timeout);
                }
            };
        }

        @Override
        public Socket createSocket(Socket connected, String host, int port, boolean autoClose) throws IOException {
            return tls.createSocket(connected, host, port, autoClose);
        }

        @Override
        public Socket createSocket(String host, int port) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(String host, int port, java.net.InetAddress local, int localPort) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(java.net.InetAddress host, int port) {
            throw new UnsupportedOperationException();
        }

        @Override
        public Socket createSocket(
                java.net.InetAddress host, int port, java.net.InetAddress local, int localPort) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String[] getDefaultCipherSuites() {
            return tls.getDefaultCipherSuites();
        }

        @Override
        public String[] getSupportedCipherSuites() {
            return tls.getSupportedCipherSuites();
        }
    }
}
