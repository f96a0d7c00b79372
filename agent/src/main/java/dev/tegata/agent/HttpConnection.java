// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.pki.certificate.Certificate;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// HTTP/1.1 over one socket: as much as a device needs, within bounds.
final class HttpConnection implements Network.Connection {
    private static final int TIMEOUT_MILLIS = 30_000;
    private static final int DEFAULT_PORT = 443;
    private static final int MAX_LINE = 8 * 1024;
    private static final int MAX_HEADERS = 64;
    private static final int MAX_BODY = 256 * 1024;

    private final Socket socket;
    private final InputStream in;
    private final String host;
    private boolean ended;

    private HttpConnection(Socket socket, String host) throws IOException {
        this.socket = socket;
        this.in = new BufferedInputStream(socket.getInputStream(), 4096);
        this.host = host;
    }

    static HttpConnection open(URI server, DeviceIdentity identity, List<Certificate> anchors, DeviceClock clock)
            throws IOException {
        String host = server.getHost();
        if (host == null || !"https".equals(server.getScheme())) {
            throw new IOException("not an address of a server: " + server);
        }
        int port = server.getPort() < 0 ? DEFAULT_PORT : server.getPort();
        Socket socket = identity.secure(connected(host, port), host, anchors, clock);
        return new HttpConnection(socket, host + ":" + port);
    }

    /// Where nothing rests on the connection.
    static HttpConnection plain(URI gateway) throws IOException {
        String host = gateway.getHost();
        if (host == null || !"http".equals(gateway.getScheme())) {
            throw new IOException("not an address of a gateway: " + gateway);
        }
        int port = gateway.getPort() < 0 ? 80 : gateway.getPort();
        Socket socket = connected(host, port);
        try {
            return new HttpConnection(socket, host + ":" + port);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private static Socket connected(String host, int port) throws IOException {
        Socket socket = new Socket();
        try {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(TIMEOUT_MILLIS);
            socket.connect(new InetSocketAddress(host.replaceAll("[\\[\\]]", ""), port), TIMEOUT_MILLIS);
            return socket;
        } catch (IOException | RuntimeException e) {
            socket.close();
            throw new IOException(host + ":" + port + " cannot be reached: " + e.getMessage(), e);
        }
    }

    @Override
    public Network.HttpAnswer ask(Network.Question question) throws IOException {
        if (ended) {
            throw new EOFException("the server has ended the connection");
        }
        ByteArrayOutputStream request = new ByteArrayOutputStream(512 + question.body().length);
        StringBuilder head = new StringBuilder(256);
        head.append(question.method()).append(' ').append(question.path()).append(" HTTP/1.1\r\n");
        head.append("Host: ").append(host).append("\r\n");
        question.headers()
                .forEach((name, value) ->
                        head.append(name).append(": ").append(value).append("\r\n"));
        if (question.method().equals("POST")) {
            head.append("Content-Length: ").append(question.body().length).append("\r\n");
        }
        request.writeBytes(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
        request.writeBytes(question.body());
        request.writeTo(socket.getOutputStream());
        socket.getOutputStream().flush();
        return answer();
    }

    private Network.HttpAnswer answer() throws IOException {
        int status = status(line());
        while (status >= 100 && status < 200) {
            headers();
            status = status(line());
        }
        Map<String, String> headers = headers();
        ended = "close".equalsIgnoreCase(headers.getOrDefault("connection", ""));
        return new Network.HttpAnswer(status, headers, body(status, headers));
    }

    private static int status(String line) throws IOException {
        if (!line.matches("HTTP/1\\.[01] [1-5][0-9]{2}( .*)?")) {
            throw new IOException("what answered speaks no HTTP");
        }
        return Integer.parseInt(line.substring(9, 12));
    }

    private Map<String, String> headers() throws IOException {
        Map<String, String> headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            if (colon < 1 || headers.size() == MAX_HEADERS) {
                throw new IOException("the server's answer has bad headers");
            }
            String name = line.substring(0, colon).toLowerCase(Locale.ROOT);
            if (headers.put(name, line.substring(colon + 1).strip()) != null
                    && (name.equals("content-length") || name.equals("transfer-encoding"))) {
                throw new IOException("the server's answer has bad headers");
            }
        }
        return headers;
    }

    private byte[] body(int status, Map<String, String> headers) throws IOException {
        String length = headers.get("content-length");
        if (headers.containsKey("transfer-encoding")) {
            return chunks();
        }
        if (status == 204 || status == 304) {
            return new byte[0];
        }
        if (length == null) {
            ended = true;
            return bounded(in.readNBytes(MAX_BODY + 1));
        }
        if (!length.matches("[0-9]{1,9}")) {
            throw new IOException("the server's answer has bad headers");
        }
        return exactly(Integer.parseInt(length));
    }

    private byte[] chunks() throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        while (true) {
            String size = line().split(";", 2)[0].strip();
            if (!size.matches("[0-9a-fA-F]{1,7}")) {
                throw new IOException("the server's answer has a bad chunk");
            }
            int length = Integer.parseInt(size, 16);
            if (length == 0) {
                headers();
                return body.toByteArray();
            }
            if (body.size() + length > MAX_BODY) {
                throw tooLong();
            }
            body.writeBytes(exactly(length));
            line();
        }
    }

    private byte[] exactly(int length) throws IOException {
        if (length > MAX_BODY) {
            throw tooLong();
        }
        byte[] body = in.readNBytes(length);
        if (body.length != length) {
            throw new EOFException("the server's answer broke off");
        }
        return body;
    }

    private static byte[] bounded(byte[] body) throws IOException {
        if (body.length > MAX_BODY) {
            throw tooLong();
        }
        return body;
    }

    private static IOException tooLong() {
        return new IOException("the server's answer is too long");
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("the server's answer broke off");
            }
            if (line.length() == MAX_LINE) {
                throw new IOException("the server's answer has bad headers");
            }
            line.append((char) c);
        }
        int end = line.length() - 1;
        return end >= 0 && line.charAt(end) == '\r' ? line.substring(0, end) : line.toString();
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            // It was over anyway.
        }
    }
}
