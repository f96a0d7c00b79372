// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.UnavailableException;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.enrol.EvidenceGate;
import dev.tegata.platform.enrol.Identification;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.platform.order.OrderSigners;
import dev.tegata.protocol.RelayedEnrolment;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.OptionalLong;

/// Certificates for devices that come by way of a gateway, whatever the gateway is. All rules are those of
/// [Enrolments]; what is added is that a message serves once, and that the answer is signed.
public final class RelayedEnrolments {
    private final Enrolments enrolments;
    private final Identification identification;
    private final OrderSigners signers;
    private final RelayNonces nonces;
    private final InstantSource clock;

    public RelayedEnrolments(
            CheckIns.Services services, Enrolments enrolments, InstantSource clock, SecureRandom random) {
        this.enrolments = enrolments;
        this.identification = services.identification();
        this.signers = services.signers();
        this.nonces = new RelayNonces(services.database(), new CheckInMacs(services.database(), clock, random));
        this.clock = clock;
    }

    /// Answers one request. Blocks until the certificate is durable.
    ///
    /// @param message the signed request
    /// @throws MalformedException where it is none, or its signature is wrong
    /// @throws RefusedException where there is no fleet in whose name to answer
    /// @throws UnavailableException where nothing can be signed either
    public SignedAnswer answer(Bytes message, String source) throws MalformedException {
        RelayedEnrolment asked = RelayedEnrolment.parse(message);
        IssuingFleet fleet = enrolments.fleet(new FleetId(asked.fleet()));
        OrderSigners.OrderSigner signer = signers.of(fleet);
        try {
            return answer(fleet, asked, outcome(fleet, asked, source), signer);
        } catch (UnavailableException e) {
            return SignedAnswer.busy(asked.digest(), signer, clock.instant());
        }
    }

    private SignedAnswer answer(
            IssuingFleet fleet, RelayedEnrolment asked, EnrolmentOutcome outcome, OrderSigners.OrderSigner signer) {
        return switch (outcome) {
            case EnrolmentOutcome.Issued issued ->
                SignedAnswer.yes(
                        RelayedEnrolment.ANSWER_CONTENT_TYPE,
                        RelayedEnrolment.signAnswer(
                                asked.digest(),
                                new RelayedEnrolment.Answer(
                                        clock.instant(),
                                        issued.certificate(),
                                        fleet.authority().published()),
                                signer.signer(),
                                signer.chain()));
            case EnrolmentOutcome.Pending(Duration retryAfter) ->
                no(asked, new CheckInOutcome.Refused(ErrorCode.APPROVAL_PENDING, ""), retryAfter, signer);
            case EnrolmentOutcome.Refused(ErrorCode code, String detail) ->
                no(asked, new CheckInOutcome.Refused(code, detail), Duration.ZERO, signer);
        };
    }

    private SignedAnswer no(
            RelayedEnrolment asked, CheckInOutcome.Refused why, Duration retryAfter, OrderSigners.OrderSigner signer) {
        return SignedAnswer.no(asked.digest(), why, retryAfter, signer, clock.instant());
    }

    private EnrolmentOutcome outcome(IssuingFleet fleet, RelayedEnrolment asked, String source) {
        try {
            return enrol(fleet, asked, source);
        } catch (RefusedException e) {
            return new EnrolmentOutcome.Refused(e.code(), e.detail());
        }
    }

    /// Evidence in the request is for the nonce of the message, which serves once as it is.
    private EnrolmentOutcome enrol(IssuingFleet fleet, RelayedEnrolment asked, String source) {
        OptionalLong nonce = nonces.timeOf(fleet.fleet().id(), asked.nonce());
        List<Bytes> chain = asked.chain().stream().map(Certificate::encoded).toList();
        DeviceCredential credential = new DeviceCredential.SignedMessage(chain);
        boolean known = identification.identify(fleet, credential, asked.renewal(), clock.instant())
                        instanceof Identification.Result.Found found
                && useUp(fleet, found, nonce);
        EnrolmentOutcome outcome = enrolments.enrol(new EnrolmentRequest(
                        fleet.fleet().id(),
                        credential,
                        asked.request(),
                        asked.renewal() ? Purpose.RE_ENROL : Purpose.ENROL,
                        source)
                .withNonce(new EvidenceGate.Nonce(asked.nonce(), true)));
        if (!known && outcome instanceof EnrolmentOutcome.Issued issued) {
            nonces.useUp(fleet.tenant(), issued.device(), nonce);
        }
        return outcome;
    }

    private boolean useUp(IssuingFleet fleet, Identification.Result.Found found, OptionalLong nonce) {
        nonces.useUp(fleet.tenant(), found.device().id(), nonce);
        return true;
    }
}
