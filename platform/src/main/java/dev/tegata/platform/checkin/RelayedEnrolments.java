// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.checkin;

import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.EnrolmentRequest.Purpose;
import dev.tegata.platform.enrol.Enrolments;
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

    /// What came of a request.
    public sealed interface Outcome {
        /// The answer for the device.
        record Signed(Bytes message) implements Outcome {}

        /// An operator has to approve first.
        record Pending(Duration retryAfter) implements Outcome {}

        record Refused(ErrorCode code, String detail) implements Outcome {}
    }

    /// Answers one request. Blocks until the certificate is durable.
    ///
    /// @param message the signed request
    /// @throws MalformedException where it is none, or its signature is wrong
    public Outcome answer(Bytes message, String source) throws MalformedException {
        RelayedEnrolment asked = RelayedEnrolment.parse(message);
        try {
            return answer(asked, source);
        } catch (RefusedException e) {
            return new Outcome.Refused(e.code(), e.detail());
        }
    }

    private Outcome answer(RelayedEnrolment asked, String source) {
        IssuingFleet fleet = enrolments.fleet(new FleetId(asked.fleet()));
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
                source));
        return switch (outcome) {
            case EnrolmentOutcome.Issued issued -> {
                if (!known) {
                    nonces.useUp(fleet.tenant(), issued.device(), nonce);
                }
                yield signed(fleet, asked, issued.certificate());
            }
            case EnrolmentOutcome.Pending(Duration retryAfter) -> new Outcome.Pending(retryAfter);
            case EnrolmentOutcome.Refused(ErrorCode code, String detail) -> new Outcome.Refused(code, detail);
        };
    }

    private boolean useUp(IssuingFleet fleet, Identification.Result.Found found, OptionalLong nonce) {
        nonces.useUp(fleet.tenant(), found.device().id(), nonce);
        return true;
    }

    private Outcome signed(IssuingFleet fleet, RelayedEnrolment asked, Certificate certificate) {
        OrderSigners.OrderSigner signer = signers.of(fleet);
        RelayedEnrolment.Answer answer = new RelayedEnrolment.Answer(
                clock.instant(), certificate, fleet.authority().published());
        return new Outcome.Signed(RelayedEnrolment.signAnswer(asked.digest(), answer, signer.signer(), signer.chain()));
    }
}
