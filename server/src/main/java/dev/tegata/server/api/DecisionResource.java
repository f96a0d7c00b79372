// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.attestation.result.Tier;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.decision.Decision;
import dev.tegata.platform.decision.Decisions;
import dev.tegata.platform.decision.PartyPolicy;
import dev.tegata.platform.decision.Passports;
import dev.tegata.platform.decision.RelyingParties;
import dev.tegata.platform.decision.RelyingParty;
import dev.tegata.platform.decision.Subject;
import dev.tegata.platform.device.DeviceState;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Decisions at the door, and the relying parties that they are made for.
final class DecisionResource {
    private static final String PATH = "/api/v1/decisions";
    private static final String PARTIES = "/api/v1/relying-parties";

    private final Services services;

    /// What decisions rest on.
    record Services(Decisions decisions, RelyingParties parties, Passports passports) {}

    DecisionResource(Services services) {
        this.services = services;
    }

    /// By what the device is known: one of the first four, or one of the first three and its passport.
    ///
    /// @param certificate in PEM
    /// @param fingerprint SHA-256 of the certificate in hex
    /// @param passport a result of ours, as a JWT
    /// @param party by whose policy, where the API key belongs to none
    record Body(
            @Nullable String device,
            @Nullable String certificate,
            @Nullable String fingerprint,
            @Nullable String passport,
            @Nullable String party) {}

    record ReasonView(String code, String detail) {}

    record View(
            boolean allowed,
            @Nullable String device,
            String party,
            String posture,
            List<ReasonView> reasons,
            Instant validUntil) {
        static View of(Decision decision) {
            DeviceId device = decision.device();
            return new View(
                    decision.allowed(),
                    device == null ? null : device.toString(),
                    decision.party(),
                    decision.posture(),
                    decision.reasons().stream()
                            .map(reason -> new ReasonView(reason.code(), reason.sentence()))
                            .toList(),
                    decision.validUntil());
        }
    }

    record PartyBody(
            String name,
            @Nullable String key,
            @Nullable String tier,
            @Nullable Boolean allowStale,
            @Nullable List<String> fleets,
            @Nullable List<String> states,
            @Nullable Duration life) {
        RelyingParty party() {
            PartyPolicy base = PartyPolicy.standard();
            return new RelyingParty(
                    name,
                    key,
                    new PartyPolicy(
                            tier == null ? base.tier() : Names.constant(Tier.class, Tier::word, "tier", tier),
                            allowStale == null ? base.allowStale() : allowStale,
                            fleets == null
                                    ? base.fleets()
                                    : fleets.stream().map(FleetId::new).collect(Collectors.toSet()),
                            states == null
                                    ? base.states()
                                    : states.stream()
                                            .map(text -> Names.constant(DeviceState.class, "states", text))
                                            .collect(Collectors.toSet()),
                            life == null ? base.life() : life));
        }
    }

    record PartyView(
            String name,
            @Nullable String key,
            String tier,
            boolean allowStale,
            List<String> fleets,
            List<String> states,
            Duration life) {
        static PartyView of(RelyingParty party) {
            PartyPolicy policy = party.policy();
            return new PartyView(
                    party.name(),
                    party.keyId(),
                    policy.tier().word(),
                    policy.allowStale(),
                    policy.fleets().stream().map(FleetId::toString).sorted().toList(),
                    policy.states().stream().map(Names::of).sorted().toList(),
                    policy.life());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("POST", PATH, Permission.ASK_DECISIONS, this::decide),
                gate.route("GET", PATH + "/{subject}", Permission.ASK_DECISIONS, this::lean),
                gate.route("GET", PARTIES, Permission.READ_APPRAISALS, this::parties),
                gate.route("POST", PARTIES, Permission.MANAGE_APPRAISAL, this::put),
                gate.route("DELETE", PARTIES + "/{party}", Permission.MANAGE_APPRAISAL, this::remove));
    }

    private Response decide(Call call) {
        Body body = call.request().json(Body.class);
        Optional<Subject> subject = subject(body);
        String passport = body.passport();
        if (passport == null) {
            return answer(call, subject.orElseThrow(DecisionResource::unclear), body.party());
        }
        Subject.Passport shown = services.passports.read(call.tenant(), passport);
        return subject.isEmpty()
                ? answer(call, shown, body.party())
                : Response.json(View.of(
                        services.decisions.decide(call.tenant(), subject.get(), shown, asker(call, body.party()))));
    }

    private static RuntimeException unclear() {
        return Fields.invalid("device", "or one of certificate, fingerprint and passport must be given");
    }

    private static Decisions.Asker asker(Call call, @Nullable String party) {
        return new Decisions.Asker(call.caller().keyId(), party, call.request().moment());
    }

    private Response answer(Call call, Subject subject, @Nullable String party) {
        return Response.json(View.of(services.decisions.decide(call.tenant(), subject, asker(call, party))));
    }

    private static Optional<Subject> subject(Body body) {
        List<Subject> subjects = new ArrayList<>();
        if (body.device() != null) {
            subjects.add(new Subject.Id(DeviceId.parse(body.device())));
        }
        if (body.certificate() != null) {
            subjects.add(new Subject.Certificate(certificate(body.certificate())));
        }
        if (body.fingerprint() != null) {
            subjects.add(new Subject.Certificate(fingerprint(body.fingerprint())));
        }
        if (subjects.size() > 1) {
            throw unclear();
        }
        return subjects.stream().findFirst();
    }

    /// The first certificate is the device's; a chain may follow.
    private static Bytes certificate(String pem) {
        try {
            List<Certificate> certificates = Certificate.parsePem(pem);
            if (!certificates.isEmpty()) {
                return certificates.getFirst().encoded().sha256();
            }
        } catch (InvalidCertificateException e) {
            throw Fields.invalid("certificate", "cannot be read: " + e.getMessage());
        }
        throw Fields.invalid("certificate", "must be a certificate in PEM");
    }

    /// Tools write fingerprints with colons, or in capitals.
    private static Bytes fingerprint(String text) {
        String hex = text.replace(":", "").toLowerCase(Locale.ROOT);
        if (!hex.matches("[0-9a-f]{64}")) {
            throw Fields.invalid("fingerprint", "must be the SHA-256 of a certificate in hex");
        }
        return Bytes.ofHex(hex);
    }

    private Response lean(Call call) {
        String text = call.path("subject");
        Subject subject =
                text.length() == 36 ? new Subject.Id(DeviceId.parse(text)) : new Subject.Certificate(fingerprint(text));
        return answer(call, subject, null);
    }

    private Response parties(Call call) {
        return Response.json(new Queries.Listing<>(
                services.parties.list(call.tenant()).stream().map(PartyView::of).toList(), null));
    }

    private Response put(Call call) {
        RelyingParty party = call.request().json(PartyBody.class).party();
        return Response.json(201, PartyView.of(services.parties.put(call.tenant(), call.actor(), party)));
    }

    private Response remove(Call call) {
        services.parties.remove(call.tenant(), call.actor(), call.path("party"));
        return Response.nothing();
    }
}
