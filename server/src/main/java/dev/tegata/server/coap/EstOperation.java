// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.coap;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.CertsOnlyCms;
import dev.tegata.pki.certificate.CsrAttributes;
import dev.tegata.pki.key.SoftwareKey;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.server.http.Problem;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.Principal;
import java.security.cert.CertificateEncodingException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Semaphore;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.elements.auth.X509CertPath;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Translates one operation of EST over CoAP, of one fleet, to [Enrolments] and back.
final class EstOperation extends CoapResource {
    private static final Logger LOG = LoggerFactory.getLogger(EstOperation.class);

    /// spec| RFC 9148 §4.3: content formats
    private static final int MULTIPART = 62;
    private static final int CERTS_ONLY = 281;
    private static final int PKCS8 = 284;
    private static final int CSR_ATTRIBUTES = 285;
    private static final int PKCS10 = 286;
    private static final int CERTIFICATE = 287;

    private final Name operation;
    private final FleetId fleet;
    private final Enrolments enrolments;
    private final Semaphore running;
    private final Executor threads;

    /// spec| RFC 9148 §4.1, table 2: short names
    enum Name {
        CRTS(Code.GET),
        ATT(Code.GET),
        SEN(Code.POST),
        SREN(Code.POST),
        SKG(Code.POST),
        SKC(Code.POST);

        private final Code code;

        Name(Code code) {
            this.code = code;
        }
    }

    EstOperation(Name operation, FleetId fleet, Enrolments enrolments, Semaphore running, Executor threads) {
        super(path(operation));
        this.operation = operation;
        this.fleet = fleet;
        this.enrolments = enrolments;
        this.running = running;
        this.threads = threads;
    }

    private static String path(Name operation) {
        return operation.name().toLowerCase(java.util.Locale.ROOT);
    }

    static Optional<Name> named(String path) {
        return Arrays.stream(Name.values())
                .filter(name -> path(name).equals(path))
                .findFirst();
    }

    @Override
    public void handleGET(CoapExchange exchange) {
        handle(exchange, Code.GET);
    }

    @Override
    public void handlePOST(CoapExchange exchange) {
        handle(exchange, Code.POST);
    }

    /// The protocol's few threads only pass the request on: the work blocks.
    private void handle(CoapExchange exchange, Code code) {
        if (code != operation.code) {
            exchange.respond(ResponseCode.METHOD_NOT_ALLOWED);
            return;
        }
        if (!running.tryAcquire()) {
            exchange.respond(
                    retryLater(Duration.ofSeconds(1), "the server answers as many requests as it can already"));
            return;
        }
        threads.execute(() -> {
            try {
                exchange.respond(answer(exchange));
            } finally {
                running.release();
            }
        });
    }

    private Response answer(CoapExchange exchange) {
        try {
            return switch (operation) {
                case CRTS -> certificates(exchange, ResponseCode.CONTENT, chain());
                case ATT -> attributes(exchange);
                case SEN -> enrol(exchange, Purpose.ENROL);
                case SREN -> enrol(exchange, Purpose.RE_ENROL);
                case SKG, SKC -> generateKey(exchange);
            };
        } catch (RuntimeException e) {
            Problem problem = Problem.logged(e, LOG, getName() + " of " + fleet);
            return refusal(problem.code(), problem.detail());
        }
    }

    private List<Certificate> chain() {
        return enrolments.published(fleet);
    }

    private Response attributes(CoapExchange exchange) {
        if (!accepts(exchange, CSR_ATTRIBUTES)) {
            return new Response(ResponseCode.NOT_ACCEPTABLE);
        }
        CsrAttributes attributes =
                CsrAttributes.of(enrolments.fleet(fleet).issuance().profile());
        return response(ResponseCode.CONTENT, CSR_ATTRIBUTES, attributes.encode());
    }

    private Response enrol(CoapExchange exchange, Purpose purpose) {
        return wrongFormat(exchange).orElseGet(() -> answer(exchange, enrolments.enrol(request(exchange, purpose))));
    }

    private Optional<Response> wrongFormat(CoapExchange exchange) {
        if (exchange.getRequestOptions().getContentFormat() != PKCS10) {
            return Optional.of(new Response(ResponseCode.UNSUPPORTED_CONTENT_FORMAT));
        }
        int produced = operation == Name.SKG || operation == Name.SKC ? MULTIPART : CERTS_ONLY;
        boolean acceptable = accepts(exchange, produced) || produced == CERTS_ONLY && accepts(exchange, CERTIFICATE);
        return acceptable ? Optional.empty() : Optional.of(new Response(ResponseCode.NOT_ACCEPTABLE));
    }

    private EnrolmentRequest request(CoapExchange exchange, Purpose purpose) {
        return new EnrolmentRequest(
                fleet,
                credential(exchange),
                Bytes.of(exchange.getRequestPayload()),
                purpose,
                exchange.getSourceAddress().getHostAddress());
    }

    private static DeviceCredential credential(CoapExchange exchange) {
        Principal peer = exchange.advanced().getRequest().getSourceContext().getPeerIdentity();
        if (!(peer instanceof X509CertPath path)) {
            return new DeviceCredential.None();
        }
        List<Bytes> chain = new ArrayList<>();
        try {
            for (java.security.cert.Certificate certificate : path.getPath().getCertificates()) {
                chain.add(Bytes.of(certificate.getEncoded()));
            }
        } catch (CertificateEncodingException e) {
            return new DeviceCredential.None();
        }
        return new DeviceCredential.TlsCertificate(chain);
    }

    private Response answer(CoapExchange exchange, EnrolmentOutcome outcome) {
        return switch (outcome) {
            // spec| RFC 9148 §4.4: 2.04 Changed
            case EnrolmentOutcome.Issued issued ->
                certificates(exchange, ResponseCode.CHANGED, List.of(issued.certificate()));
            case EnrolmentOutcome.Pending(Duration retryAfter) ->
                // spec| RFC 9148 §5.6: 5.03 with Max-Age takes the place of 202 with Retry-After
                retryLater(retryAfter, ErrorCode.APPROVAL_PENDING.code());
            case EnrolmentOutcome.Refused refused -> refusal(refused.code(), refused.told());
        };
    }

    private Response generateKey(CoapExchange exchange) {
        Optional<Response> wrong = wrongFormat(exchange);
        if (wrong.isPresent()) {
            return wrong.get();
        }
        Enrolments.ServerKeyOutcome made = enrolments.enrolWithServerKey(request(exchange, Purpose.ENROL));
        SoftwareKey key = made.key();
        if (!(made.outcome() instanceof EnrolmentOutcome.Issued issued) || key == null) {
            return answer(exchange, made.outcome());
        }
        // spec| RFC 9148 §4.8: multipart-core of the key and of the certificate, for skg in a CMS, for skc as it is
        Bytes certificate = operation == Name.SKG
                ? CertsOnlyCms.encode(List.of(issued.certificate()))
                : issued.certificate().encoded();
        byte[] pkcs8 = key.pkcs8();
        Bytes body = multipart(PKCS8, Bytes.of(pkcs8), operation == Name.SKG ? CERTS_ONLY : CERTIFICATE, certificate);
        Arrays.fill(pkcs8, (byte) 0);
        return response(ResponseCode.CHANGED, MULTIPART, body);
    }

    /// spec| RFC 8710 §2: an array of content formats and byte strings in turn
    private static Bytes multipart(int firstFormat, Bytes first, int secondFormat, Bytes second) {
        ByteBuffer out = ByteBuffer.allocate(1 + 2 * 6 + first.size() + second.size());
        out.put((byte) 0x84);
        part(out, firstFormat, first);
        part(out, secondFormat, second);
        return Bytes.of(out.array(), 0, out.position());
    }

    private static void part(ByteBuffer out, int format, Bytes content) {
        out.put((byte) 0x19).putShort((short) format);
        out.put((byte) 0x59).putShort((short) content.size()).put(content.toArray());
    }

    /// One certificate as it is where the device asks for that; otherwise all in a CMS.
    private static Response certificates(CoapExchange exchange, ResponseCode code, List<Certificate> certificates) {
        if (accepts(exchange, CERTS_ONLY)) {
            return response(code, CERTS_ONLY, CertsOnlyCms.encode(certificates));
        }
        return accepts(exchange, CERTIFICATE) && certificates.size() == 1
                ? response(code, CERTIFICATE, certificates.getFirst().encoded())
                : new Response(ResponseCode.NOT_ACCEPTABLE);
    }

    private static boolean accepts(CoapExchange exchange, int format) {
        return !exchange.getRequestOptions().hasAccept()
                || exchange.getRequestOptions().getAccept() == format;
    }

    private static Response response(ResponseCode code, int format, Bytes content) {
        Response response = new Response(code);
        response.getOptions().setContentFormat(format);
        response.setPayload(content.toArray());
        return response;
    }

    private static Response retryLater(Duration after, String diagnostic) {
        Response response = new Response(ResponseCode.SERVICE_UNAVAILABLE);
        response.getOptions().setMaxAge(after.toSeconds());
        response.setPayload(diagnostic.getBytes(StandardCharsets.UTF_8));
        return response;
    }

    private static Response refusal(ErrorCode code, String detail) {
        Response response = new Response(
                switch (code.httpStatus()) {
                    case 400, 422 -> ResponseCode.BAD_REQUEST;
                    case 401 -> ResponseCode.UNAUTHORIZED;
                    case 403 -> ResponseCode.FORBIDDEN;
                    case 404 -> ResponseCode.NOT_FOUND;
                    case 413 -> ResponseCode.REQUEST_ENTITY_TOO_LARGE;
                    case 503 -> ResponseCode.SERVICE_UNAVAILABLE;
                    default -> ResponseCode.INTERNAL_SERVER_ERROR;
                });
        // spec| RFC 7252 §5.5.2: a diagnostic payload, short enough for one datagram
        String line = code.code() + ": " + code.title() + (detail.isEmpty() ? "" : " " + detail);
        response.setPayload(line.length() > 200 ? line.substring(0, 200) : line);
        return response;
    }
}
