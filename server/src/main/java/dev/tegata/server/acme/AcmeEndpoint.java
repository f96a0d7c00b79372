// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.acme;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.json.Json;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.der.Pem;
import dev.tegata.pki.key.VaultException;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.acme.AcmeAccount;
import dev.tegata.platform.acme.AcmeAccounts;
import dev.tegata.platform.acme.AcmeNonces;
import dev.tegata.platform.acme.AcmeOrder;
import dev.tegata.platform.acme.AcmeOrder.Authorization;
import dev.tegata.platform.acme.AcmeOrder.Identifier;
import dev.tegata.platform.acme.AcmeOrder.State;
import dev.tegata.platform.acme.AcmeOrder.Validation;
import dev.tegata.platform.acme.AcmeOrders;
import dev.tegata.platform.acme.AcmePolicy;
import dev.tegata.platform.acme.AcmeSettings;
import dev.tegata.platform.acme.DeviceAttestation;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.authority.IssuingAuthority;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Form;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.server.http.Problem;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Translates ACME to the services of `platform.acme` and [Enrolments], and back.
///
/// An account speaks for one device: the key of external account binding that it was made with says which.
/// What it orders is that device's certificate, with the host names that it has shown to answer for.
public final class AcmeEndpoint {
    private static final Logger LOG = LoggerFactory.getLogger(AcmeEndpoint.class);
    private static final String BASE = "/acme/{fleet}";
    private static final int BODY_LIMIT = 48 * 1024;
    private static final Duration LONGEST = Duration.ofSeconds(15);
    private static final int MAX_IDENTIFIERS = 10;

    /// Of a device, and of its assigner where it has one.
    private static final Pattern PERMANENT_IDENTIFIER = Pattern.compile(
            "[^/]{1,256}(/([01]\\.[1-3]?[0-9]|2\\.(0|[1-9][0-9]{0,18}))(\\.(0|[1-9][0-9]{0,18})){0,32})?");

    private static final int MAX_CONTACTS = 5;
    private static final int LISTED = 100;
    private static final int MAX_VALIDATIONS = 64;

    private final Services services;
    private final Semaphore validations = new Semaphore(MAX_VALIDATIONS);

    /// @param attestation verifies device-attest-01
    public record Services(
            Enrolments enrolments,
            AcmeSettings settings,
            AcmeAccounts accounts,
            AcmeOrders orders,
            AcmeNonces nonces,
            RefusalLog refusals,
            DeviceAttestation attestation) {}

    public AcmeEndpoint(Services services) {
        this.services = services;
    }

    public List<Route> routes() {
        return List.of(
                Route.get(BASE + "/directory", answered(this::directory)),
                Route.get(BASE + "/new-nonce", answered(this::newNonce)),
                post("/new-account", signed -> newAccount(signed)),
                post("/account/{id}", this::account),
                post("/account/{id}/orders", this::orders),
                post("/key-change", this::changeKey),
                post("/new-order", this::newOrder),
                post("/order/{id}", this::order),
                post("/order/{id}/finalize", this::finalizeOrder),
                post("/authorization/{id}", this::authorization),
                post("/challenge/{id}", this::challenge),
                post("/certificate/{id}", this::certificate),
                post("/revoke", this::revoke));
    }

    /// An operation, which a problem of ACME or any other may end.
    private interface Operation<T> {
        Response answer(T asked) throws AcmeProblem;
    }

    /// A request to a fleet that offers ACME.
    private record Asked(Request http, FleetId fleet, AcmePolicy policy, String base) {
        String url(String path) {
            return base + path;
        }
    }

    private Route post(String path, Operation<Signed> operation) {
        return Route.post(BASE + path, answered(asked -> operation.answer(verified(asked))))
                .withBodyLimit(BODY_LIMIT)
                .withTimeout(LONGEST);
    }

    /// Finds the fleet, and puts what every answer has around an operation's.
    private dev.tegata.server.http.Handler answered(Operation<Asked> operation) {
        return request -> {
            FleetId fleet = new FleetId(request.pathParameter("fleet"));
            AcmePolicy policy = services.settings()
                    .policy(fleet)
                    .orElseThrow(() -> new RefusedException(
                            ErrorCode.NOT_FOUND, "there is no such fleet, or it does not offer ACME"));
            String base = "https://" + request.header("Host").orElse("localhost") + "/acme/" + fleet;
            Asked asked = new Asked(request, fleet, policy, base);
            Response response;
            try {
                response = operation.answer(asked);
            } catch (AcmeProblem e) {
                response = e.response();
            } catch (RuntimeException e) {
                Problem problem = Problem.logged(e, LOG, request.id());
                response = AcmeProblem.of(problem).response();
                for (var header : problem.headers().entrySet()) {
                    response = response.with(header.getKey(), header.getValue());
                }
            }
            if (!request.path().endsWith("/directory")) {
                response = response.with("Replay-Nonce", services.nonces().next(fleet.tenant()));
            }
            return response.headers().containsKey("Link")
                    ? response
                    : response.with("Link", "<" + asked.url("/directory") + ">;rel=\"index\"");
        };
    }

    private Response directory(Asked asked) {
        ObjectNode directory = Json.object();
        directory.put("newNonce", asked.url("/new-nonce"));
        directory.put("newAccount", asked.url("/new-account"));
        directory.put("newOrder", asked.url("/new-order"));
        directory.put("revokeCert", asked.url("/revoke"));
        directory.put("keyChange", asked.url("/key-change"));
        directory.set("meta", Json.object().put("externalAccountRequired", true));
        return json(200, directory);
    }

    /// spec| RFC 8555 §7.2: 200 to HEAD, 204 to GET
    private Response newNonce(Asked asked) {
        return asked.http().method().equals("HEAD") ? Response.of(200, "text/plain", new byte[0]) : Response.nothing();
    }

    private static Response json(int status, ObjectNode body) {
        return Response.of(status, "application/json", Json.write(body).toArray());
    }

    /// A request whose signature and nonce are good.
    ///
    /// @param account where the signature names one
    private record Signed(
            Asked asked, Jws jws, AccountKey key, @Nullable AcmeAccount account) {
        /// The account, whose key has signed.
        AcmeAccount sender() throws AcmeProblem {
            if (account == null) {
                throw AcmeProblem.malformed("sign with 'kid', the account's URL");
            }
            return account;
        }

        String parameter() {
            return asked.http().pathParameter("id");
        }

        String url(String path) {
            return asked.url(path);
        }

        boolean asGet() {
            return jws.payload().isEmpty();
        }
    }

    private Signed verified(Asked asked) throws AcmeProblem {
        if (!asked.http().contentType().equals("application/jose+json")) {
            throw new AcmeProblem("malformed", 415, "send the JWS with 'Content-Type: application/jose+json'");
        }
        Jws jws = Jws.parse(Bytes.of(asked.http().body()));
        requireUrl(asked, jws);
        boolean named = jws.header().has("kid");
        if (named == jws.header().has("jwk")) {
            throw AcmeProblem.malformed("a JWS here has either 'kid' or 'jwk'");
        }
        AcmeAccount account = named ? activeAccount(asked, jws.text("kid")) : null;
        AccountKey key = account != null ? AccountKey.parse(account.jwk()) : AccountKey.of(jwk(jws));
        jws.requireSignedBy(key);
        if (!services.nonces().use(asked.fleet().tenant(), nonce(jws))) {
            throw new AcmeProblem("badNonce", 400, "the nonce is not one of ours, too old, or used");
        }
        return new Signed(asked, jws, key, account);
    }

    /// spec| RFC 8555 §6.5.2: a nonce that is no base64url is malformed
    private static String nonce(Jws jws) throws AcmeProblem {
        try {
            Json.base64Url(jws.header().get("nonce"), "nonce");
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
        return jws.text("nonce");
    }

    /// spec| RFC 8555 §6.4: the 'url' must be that of the request
    private static void requireUrl(Asked asked, Jws jws) throws AcmeProblem {
        String path = asked.http().target();
        if (!jws.text("url").equals(asked.base() + path.substring(("/acme/" + asked.fleet()).length()))) {
            throw AcmeProblem.unauthorized("the JWS was made for another URL");
        }
    }

    private static ObjectNode jwk(Jws jws) throws AcmeProblem {
        try {
            return Json.object(jws.header().get("jwk"), "jwk");
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
    }

    private AcmeAccount activeAccount(Asked asked, String kid) throws AcmeProblem {
        String prefix = asked.url("/account/");
        AcmeAccount account = (kid.startsWith(prefix)
                        ? services.accounts().find(asked.fleet(), kid.substring(prefix.length()))
                        : Optional.<AcmeAccount>empty())
                .orElseThrow(() -> new AcmeProblem("accountDoesNotExist", 400, "there is no such account"));
        if (!account.active()) {
            throw AcmeProblem.unauthorized("the account is deactivated");
        }
        return account;
    }

    private Response newAccount(Signed signed) throws AcmeProblem {
        if (signed.account() != null) {
            throw AcmeProblem.malformed("sign with 'jwk', the key of the new account");
        }
        ObjectNode wanted = signed.jws().object();
        Bytes thumbprint = signed.key().thumbprint();
        FleetId fleet = signed.asked().fleet();
        Optional<AcmeAccount> existing = services.accounts().byKey(fleet, thumbprint);
        if (existing.isPresent()) {
            if (!existing.get().active()) {
                throw AcmeProblem.unauthorized("the account is deactivated");
            }
            return accountAnswer(200, signed, existing.get());
        }
        if (wanted.path("onlyReturnExisting").asBoolean(false)) {
            throw new AcmeProblem("accountDoesNotExist", 400, "this key has no account");
        }
        AcmeSettings.Usable binding = binding(signed, wanted);
        AcmeAccount account = services.accounts()
                .create(binding.key(), thumbprint, signed.key().canonical(), contacts(wanted))
                .orElseThrow(() -> AcmeProblem.unauthorized("the binding's key was used at the same moment"));
        return accountAnswer(201, signed, account);
    }

    /// spec| RFC 8555 §7.3.4: external account binding
    private AcmeSettings.Usable binding(Signed signed, ObjectNode wanted) throws AcmeProblem {
        if (!wanted.has("externalAccountBinding")) {
            throw new AcmeProblem(
                    "externalAccountRequired", 403, "accounts are made with a key of external account binding");
        }
        Jws inner = Jws.of(wanted.get("externalAccountBinding"));
        if (!inner.text("alg").equals("HS256") || inner.header().has("nonce")) {
            throw AcmeProblem.malformed("the binding is made with HS256 and has no nonce");
        }
        if (!inner.text("url").equals(signed.url("/new-account"))
                || !AccountKey.of(inner.object()).equals(signed.key())) {
            throw AcmeProblem.malformed("the binding is for another URL or another key");
        }
        String id = inner.text("kid");
        AcmeSettings.Usable binding =
                services.settings().usable(signed.asked().fleet(), id).orElse(null);
        if (binding == null || !inner.hasMacOf(binding.secret())) {
            services.refusals()
                    .add(
                            signed.asked().fleet().tenant(),
                            new RefusalLog.Refusal(
                                    Actor.system("unknown-device"),
                                    signed.asked().http().remoteAddress(),
                                    ErrorCode.UNAUTHENTICATED,
                                    "fleet:" + signed.asked().fleet(),
                                    "an external account binding with a wrong, unknown, expired or used key"));
            throw AcmeProblem.unauthorized("the binding's key is wrong, unknown, expired or used up");
        }
        return binding;
    }

    private static List<String> contacts(ObjectNode wanted) throws AcmeProblem {
        List<String> contacts = new ArrayList<>();
        for (JsonNode contact : wanted.path("contact")) {
            String text = contact.asString("");
            if (contacts.size() == MAX_CONTACTS || !text.matches("(mailto|tel):[\\x21-\\x7e]{1,200}")) {
                throw new AcmeProblem(
                        "unsupportedContact", 400, "contacts are at most " + MAX_CONTACTS + " mailto: or tel: URLs");
            }
            contacts.add(text);
        }
        return contacts;
    }

    private static Response accountAnswer(int status, Signed signed, AcmeAccount account) {
        String url = signed.url("/account/" + account.id());
        ObjectNode body = Json.object().put("status", account.active() ? "valid" : "deactivated");
        ArrayNode contacts = body.putArray("contact");
        account.contacts().forEach(contacts::add);
        body.put("orders", url + "/orders");
        return json(status, body).with("Location", url);
    }

    private AcmeAccount own(Signed signed) throws AcmeProblem {
        AcmeAccount account = signed.sender();
        if (!account.id().equals(signed.parameter())) {
            throw AcmeProblem.unauthorized("this is another account");
        }
        return account;
    }

    private Response account(Signed signed) throws AcmeProblem {
        AcmeAccount account = own(signed);
        if (!signed.asGet()) {
            ObjectNode wanted = signed.jws().object();
            if (wanted.path("status").asString("").equals("deactivated")) {
                services.accounts().deactivate(account);
            } else if (wanted.has("contact")) {
                services.accounts().setContacts(account, contacts(wanted));
            }
        }
        AcmeAccount now =
                services.accounts().find(account.fleet(), account.id()).orElseThrow();
        return accountAnswer(200, signed, now);
    }

    private Response orders(Signed signed) throws AcmeProblem {
        ObjectNode body = Json.object();
        ArrayNode orders = body.putArray("orders");
        services.orders().list(own(signed), LISTED).forEach(id -> orders.add(signed.url("/order/" + id)));
        return json(200, body);
    }

    /// spec| RFC 8555 §7.3.5: the inner JWS is signed with the new key, and names the account and its
    /// old key
    private Response changeKey(Signed signed) throws AcmeProblem {
        AcmeAccount account = signed.sender();
        Jws inner = Jws.of(signed.jws().object());
        AccountKey wanted = AccountKey.of(jwk(inner));
        inner.requireSignedBy(wanted);
        ObjectNode change = inner.object();
        boolean fits;
        try {
            fits = inner.text("url").equals(signed.url("/key-change"))
                    && Json.text(change.get("account"), "account").equals(signed.url("/account/" + account.id()))
                    && AccountKey.of(Json.object(change.get("oldKey"), "oldKey"))
                            .equals(signed.key());
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
        if (!fits) {
            throw AcmeProblem.malformed("the change is for another URL, account or key");
        }
        if (!services.accounts()
                .changeKey(account, signed.key().thumbprint(), wanted.thumbprint(), wanted.canonical())) {
            throw new AcmeProblem("malformed", 409, "the new key has an account already");
        }
        return accountAnswer(200, signed, account);
    }

    private Response newOrder(Signed signed) throws AcmeProblem {
        AcmeAccount account = signed.sender();
        List<Identifier> identifiers = new ArrayList<>();
        for (JsonNode node : signed.jws().object().path("identifiers")) {
            if (identifiers.size() == MAX_IDENTIFIERS) {
                throw AcmeProblem.malformed("an order has at most " + MAX_IDENTIFIERS + " identifiers");
            }
            Identifier identifier = identifier(signed, node);
            if (!identifiers.contains(identifier)) {
                identifiers.add(identifier);
            }
        }
        if (identifiers.isEmpty()
                || identifiers.stream().map(Identifier::kind).distinct().count() > 1) {
            throw AcmeProblem.malformed("an order has identifiers, all of one type");
        }
        AcmeOrder order = services.orders().create(account, identifiers);
        return orderAnswer(201, signed, order);
    }

    private Identifier identifier(Signed signed, JsonNode node) throws AcmeProblem {
        String kind = node.path("type").asString("");
        String value = node.path("value").asString("");
        if (kind.equals(Identifier.DNS)) {
            value = value.toLowerCase(Locale.ROOT);
            if (!signed.asked().policy().allowsName(value)) {
                throw new AcmeProblem("rejectedIdentifier", 403, "the fleet's policy does not allow this name");
            }
            if (!signed.sender().scope().allowsName(value)) {
                throw new AcmeProblem("rejectedIdentifier", 403, "the account's key was not made for this name");
            }
            return new Identifier(kind, value);
        }
        boolean offered = signed.asked().policy().attestation();
        if (!kind.equals(Identifier.PERMANENT) || !offered) {
            throw new AcmeProblem("unsupportedIdentifier", 400, "identifiers of this type are not offered");
        }
        // spec| draft-ietf-acme-device-attest-10 §3.1: the server rejects non-conforming values with "malformed"
        if (!PERMANENT_IDENTIFIER.matcher(value).matches()) {
            throw AcmeProblem.malformed(
                    "a permanent identifier has no slash, but for one before its assigner's number");
        }
        if (!value.equals(signed.sender().device().toString())) {
            throw new AcmeProblem("rejectedIdentifier", 403, "the account's device has another identifier");
        }
        return new Identifier(kind, value);
    }

    private AcmeOrder requireOrder(Signed signed) throws AcmeProblem {
        return services.orders()
                .find(signed.sender(), signed.parameter())
                .orElseThrow(() -> AcmeProblem.notFound("the account has no such order"));
    }

    private Response order(Signed signed) throws AcmeProblem {
        return orderAnswer(200, signed, advanced(signed, requireOrder(signed)));
    }

    private static Response orderAnswer(int status, Signed signed, AcmeOrder order) {
        String url = signed.url("/order/" + order.id());
        ObjectNode body = Json.object()
                .put("status", order.state().name().toLowerCase(Locale.ROOT))
                .put("expires", order.expiresAt().toString())
                .put("finalize", url + "/finalize");
        ArrayNode identifiers = body.putArray("identifiers");
        ArrayNode authorizations = body.putArray("authorizations");
        for (Authorization authorization : order.authorizations()) {
            identifiers.add(identifier(authorization.identifier()));
            authorizations.add(signed.url("/authorization/" + authorization.id()));
        }
        if (order.state() == State.VALID) {
            body.put("certificate", signed.url("/certificate/" + order.id()));
        }
        if (order.failure() != null) {
            body.set("error", AcmeProblem.document(failureType(order), order.failure()));
        }
        Response response = json(status, body).with("Location", url);
        return order.state() == State.PROCESSING ? response.with("Retry-After", "10") : response;
    }

    /// That of the authorization that failed, where one did; otherwise the device gets no certificate.
    private static String failureType(AcmeOrder order) {
        return order.authorizations().stream()
                .filter(authorization -> authorization.state() == Validation.INVALID)
                .findFirst()
                .map(AcmeEndpoint::failureType)
                .orElse("unauthorized");
    }

    /// spec| draft-ietf-acme-device-attest-10 §5: where it fails, a badAttestationStatement error
    private static String failureType(Authorization authorization) {
        return authorization.identifier().isDns() ? "incorrectResponse" : "badAttestationStatement";
    }

    private static ObjectNode identifier(Identifier identifier) {
        return Json.object().put("type", identifier.kind()).put("value", identifier.value());
    }

    private Response finalizeOrder(Signed signed) throws AcmeProblem {
        AcmeOrder order = requireOrder(signed);
        if (order.state() != State.READY) {
            throw new AcmeProblem(
                    "orderNotReady", 403, "the order is " + order.state().name().toLowerCase(Locale.ROOT));
        }
        Bytes request;
        try {
            request = Json.base64Url(signed.jws().object().get("csr"), "csr");
        } catch (MalformedException e) {
            throw AcmeProblem.malformed(String.valueOf(e.getMessage()));
        }
        OrderedRequest.requireFit(request, order, signed.key());
        if (!services.orders().finalizeWith(signed.asked().fleet().tenant(), order, request)) {
            throw new AcmeProblem("orderNotReady", 403, "the order was finalized at the same moment");
        }
        carryOut(signed, order, request);
        return orderAnswer(200, signed, requireOrder(signed));
    }

    /// An order that is being processed, after another try: an operator may have approved it since, or
    /// the process that began it may be gone. Where somebody else is at it, they are left to it.
    private AcmeOrder advanced(Signed signed, AcmeOrder order) throws AcmeProblem {
        Bytes request = order.request();
        if (order.state() != State.PROCESSING || request == null) {
            return order;
        }
        if (services.orders().take(signed.asked().fleet().tenant(), order)) {
            carryOut(signed, order, request);
        }
        return requireOrder(signed);
    }

    /// Only for who has taken the order.
    private void carryOut(Signed signed, AcmeOrder order, Bytes request) throws AcmeProblem {
        TenantId tenant = signed.asked().fleet().tenant();
        EnrolmentOutcome outcome;
        try {
            outcome = enrol(signed, order, request);
        } catch (UnavailableException | VaultException e) {
            services.orders().giveBack(tenant, order);
            throw e;
        }
        switch (outcome) {
            case EnrolmentOutcome.Issued issued -> services.orders().issued(tenant, order, chain(issued));
            case EnrolmentOutcome.Pending ignored -> services.orders().giveBack(tenant, order);
            case EnrolmentOutcome.Refused refused
            when refused.code() == ErrorCode.ENROLMENT_IN_PROGRESS ->
                services.orders().giveBack(tenant, order);
            case EnrolmentOutcome.Refused refused ->
                services.orders()
                        .refused(
                                tenant,
                                order,
                                (refused.code().code() + ": " + refused.code().title() + " " + refused.told()).strip());
        }
    }

    private EnrolmentOutcome enrol(Signed signed, AcmeOrder order, Bytes request) throws AcmeProblem {
        AcmeAccount account = signed.sender();
        List<String> names = order.authorizations().stream()
                .map(Authorization::identifier)
                .filter(Identifier::isDns)
                .map(Identifier::value)
                .toList();
        return services.enrolments()
                .enrol(new EnrolmentRequest(
                        account.fleet(),
                        credential(account),
                        request,
                        Form.PKCS10,
                        Purpose.ENROL,
                        signed.asked().http().remoteAddress(),
                        names));
    }

    private static DeviceCredential credential(AcmeAccount account) {
        return new DeviceCredential.Account(account.device(), account.createdAt());
    }

    /// The certificate and those above it without the root, which clients must have from elsewhere.
    private static List<Bytes> chain(EnrolmentOutcome.Issued issued) {
        List<Bytes> chain = new ArrayList<>();
        chain.add(issued.certificate().encoded());
        issued.chain().stream()
                .filter(above -> !above.isSelfIssued() || IssuingAuthority.isCross(above))
                .map(Certificate::encoded)
                .forEach(chain::add);
        return chain;
    }

    private Response certificate(Signed signed) throws AcmeProblem {
        AcmeOrder order = requireOrder(signed);
        if (order.state() != State.VALID) {
            throw AcmeProblem.notFound("the order has no certificate");
        }
        StringBuilder pem = new StringBuilder();
        order.chain().forEach(der -> pem.append(Pem.encode("CERTIFICATE", der)));
        return Response.text(200, "application/pem-certificate-chain", pem.toString());
    }

    private Authorization requireAuthorization(Signed signed) throws AcmeProblem {
        return services.orders()
                .authorization(signed.sender(), signed.parameter())
                .orElseThrow(() -> AcmeProblem.notFound("the account has no such authorization"));
    }

    private Response authorization(Signed signed) throws AcmeProblem {
        Authorization authorization = requireAuthorization(signed);
        if (!signed.asGet() && signed.jws().object().path("status").asString("").equals("deactivated")) {
            services.orders().deactivate(signed.asked().fleet().tenant(), authorization);
            authorization = requireAuthorization(signed);
        }
        AcmeOrder order =
                services.orders().find(signed.sender(), authorization.order()).orElseThrow();
        ObjectNode body = Json.object()
                .put("status", authorization.state().name().toLowerCase(Locale.ROOT))
                .put("expires", order.expiresAt().toString());
        body.set("identifier", identifier(authorization.identifier()));
        body.putArray("challenges").add(challenge(signed, authorization));
        return json(200, body);
    }

    private static ObjectNode challenge(Signed signed, Authorization authorization) {
        String status = authorization.state() == Validation.PENDING && authorization.startedAt() != null
                ? "processing"
                : authorization.state() == Validation.DEACTIVATED
                        ? "invalid"
                        : authorization.state().name().toLowerCase(Locale.ROOT);
        ObjectNode body = Json.object()
                .put("type", authorization.identifier().isDns() ? "http-01" : "device-attest-01")
                .put("url", signed.url("/challenge/" + authorization.id()))
                .put("status", status)
                .put("token", authorization.token());
        Instant decided = authorization.decidedAt();
        if (authorization.state() == Validation.VALID && decided != null) {
            body.put("validated", decided.toString());
        }
        if (authorization.failure() != null) {
            body.set("error", AcmeProblem.document(failureType(authorization), authorization.failure()));
        }
        return body;
    }

    private Response challenge(Signed signed) throws AcmeProblem {
        Authorization authorization = requireAuthorization(signed);
        if (!signed.asGet() && authorization.state() == Validation.PENDING) {
            validate(signed, authorization);
            authorization = requireAuthorization(signed);
        }
        String above = signed.url("/authorization/" + authorization.id());
        return json(200, challenge(signed, authorization)).with("Link", "<" + above + ">;rel=\"up\"");
    }

    private void validate(Signed signed, Authorization authorization) throws AcmeProblem {
        FleetId fleet = signed.asked().fleet();
        AcmeAccount account = signed.sender();
        String keyAuthorization =
                authorization.token() + "." + signed.key().thumbprint().base64Url();
        if (!authorization.identifier().isDns()) {
            if (services.orders().start(fleet.tenant(), authorization)) {
                attest(signed, authorization, keyAuthorization);
            }
            return;
        }
        if (!validations.tryAcquire()) {
            throw new AcmeProblem("rateLimited", 429, "too many validations are under way; try again in a minute");
        }
        boolean started = false;
        try {
            started = services.orders().start(fleet.tenant(), authorization);
        } finally {
            if (!started) {
                validations.release();
            }
        }
        if (started) {
            Thread.ofVirtual().name("acme-http-01").start(() -> {
                try {
                    Optional<String> failure = HttpChallenge.failure(
                            signed.asked().policy(),
                            authorization.identifier().value(),
                            account.scope().address(),
                            authorization.token(),
                            keyAuthorization);
                    services.orders().decide(fleet.tenant(), authorization, failure.orElse(null), null);
                } catch (RuntimeException e) {
                    LOG.warn("The validation of an authorization of {} failed.", fleet, e);
                } finally {
                    validations.release();
                }
            });
        }
    }

    /// The statement comes with the challenge's answer, so that it is verified at once.
    private void attest(Signed signed, Authorization authorization, String keyAuthorization) throws AcmeProblem {
        FleetId fleet = signed.asked().fleet();
        try {
            Bytes statement = Json.base64Url(signed.jws().object().get("attObj"), "attObj");
            Bytes key = services.attestation()
                    .verify(
                            fleet,
                            signed.sender().device(),
                            statement,
                            Bytes.of(keyAuthorization.getBytes(StandardCharsets.US_ASCII)));
            services.orders().decide(fleet.tenant(), authorization, null, key);
        } catch (MalformedException | RefusedException e) {
            services.orders()
                    .decide(fleet.tenant(), authorization, "the attestation proves nothing: " + e.getMessage(), null);
        }
    }

    /// spec| RFC 8555 §7.6: signed by the account that ordered it, or by the certificate's own key
    private Response revoke(Signed signed) throws AcmeProblem {
        ObjectNode wanted = signed.jws().object();
        int reason = wanted.path("reason").asInt(0);
        if (reason != 0 && reason != 1 && reason != 3 && reason != 4 && reason != 5) {
            throw new AcmeProblem("badRevocationReason", 400, "reasons are 0, 1, 3, 4 and 5");
        }
        Certificate certificate;
        try {
            certificate = Certificate.parse(Json.base64Url(wanted.get("certificate"), "certificate"));
        } catch (MalformedException | InvalidCertificateException e) {
            throw AcmeProblem.malformed("the certificate cannot be read");
        }
        DeviceCredential credential;
        if (signed.account() != null) {
            credential = credential(signed.account());
        } else if (certificate.publicKeyEncoded().equals(signed.key().key().encoded())) {
            credential = new DeviceCredential.SignedMessage(List.of(certificate.encoded()));
        } else {
            throw AcmeProblem.unauthorized("sign with the account's key or with the certificate's");
        }
        Optional<EnrolmentOutcome.Refused> refused = services.enrolments()
                .revoke(
                        signed.asked().fleet(),
                        credential,
                        certificate.serial(),
                        reason,
                        signed.asked().http().remoteAddress());
        if (refused.isPresent()) {
            ErrorCode code = refused.get().code();
            throw code == ErrorCode.CERTIFICATE_REVOKED
                    ? new AcmeProblem("alreadyRevoked", 400, code.title())
                    : AcmeProblem.unauthorized(code.code() + ": " + code.title());
        }
        return Response.of(200, "text/plain", new byte[0]);
    }
}
