// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.agent;

import dev.tegata.agent.store.AgentState.Home;
import dev.tegata.attestation.MalformedException;
import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.Name;
import dev.tegata.protocol.CheckIn;
import dev.tegata.protocol.CheckInCodec;
import dev.tegata.protocol.CheckInForm;
import dev.tegata.protocol.KeyActivation;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.SSLException;

/// EST and check-ins over mutual TLS.
final class DirectUplink implements Uplink {
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;

    private final URI server;
    private final String fleet;
    private final List<Certificate> anchors;
    private final Network network;
    private final DeviceClock clock;
    private final CheckInForm form;
    private final Optional<String> claimToken;
    private final Optional<Attester> attester;
    private final EstClient est;

    DirectUplink(Home home, List<Certificate> anchors, Agent.Setup setup, DeviceClock clock) {
        this.server = URI.create(home.url());
        this.fleet = home.fleet();
        this.anchors = anchors;
        this.network = setup.network();
        this.clock = clock;
        this.form = setup.habits().form();
        this.claimToken = setup.habits().claimToken();
        this.attester = setup.attester();
        this.est = new EstClient(
                URI.create(home.url() + "/.well-known/est/" + home.fleet()), anchors, setup.network(), clock);
    }

    /// A claim token is for a device whose keys the server does not know. Once it has worked it does no
    /// more, and the birth key is known instead, so that the key is tried first.
    @Override
    public Enrolment enrol(DeviceIdentity as, DeviceKeys.Made made, Optional<Name> subject) throws IOException {
        try (Network.Connection connection = network.connect(server, as, anchors, clock)) {
            List<Certificate> authorities = est.caCertificates(connection);
            if (attester.isPresent() && subject.isEmpty()) {
                attester.get().introduce((key, endorsement, solver) -> introduce(connection, key, endorsement, solver));
            }
            EstClient.Answer answer = subject.isPresent()
                    ? est.reEnrol(connection, made.key(), subject.get(), proof(connection, made))
                    : est.enrol(connection, made.key(), Optional.empty(), proof(connection, made));
            if (answer instanceof EstClient.Answer.Refused(int status, String _)
                    && (status == UNAUTHORIZED || status == FORBIDDEN)
                    && subject.isEmpty()
                    && claimToken.isPresent()) {
                answer = est.enrol(connection, made.key(), claimToken, proof(connection, made));
            }
            return switch (answer) {
                case EstClient.Answer.Enrolled(Certificate certificate) ->
                    new Enrolment.Issued(certificate, authorities);
                case EstClient.Answer.Later(Duration wait) -> new Enrolment.Later(wait);
                case EstClient.Answer.Refused(int status, String reason) ->
                    new Enrolment.Refused(status, reason.strip(), authorities);
            };
        }
    }

    /// Where the server does not want it, it says with the certificate what is wrong.
    private void introduce(
            Network.Connection connection, Bytes attestationKey, List<Bytes> endorsement, Attester.Solver solver)
            throws IOException {
        Network.HttpAnswer begun = ask(
                connection, KeyActivation.PATH, new KeyActivation.Wish(fleet, attestationKey, endorsement).encode());
        if (begun.status() != 201) {
            return;
        }
        try {
            KeyActivation.Challenge challenge = KeyActivation.Challenge.parse(Bytes.of(begun.body()));
            Bytes secret = solver.solve(challenge.idObject(), challenge.encryptedSecret());
            ask(
                    connection,
                    KeyActivation.ANSWER_PATH,
                    new KeyActivation.Solved(fleet, challenge.id(), secret).encode());
        } catch (MalformedException e) {
            throw new IOException("the server's challenge cannot be read: " + e.getMessage(), e);
        }
    }

    private static Network.HttpAnswer ask(Network.Connection connection, String path, Bytes body) throws IOException {
        return connection.ask(
                Network.Question.post(path, Map.of("Content-Type", KeyActivation.MEDIA_TYPE), body.toArray()));
    }

    /// What the fleet wants proven with a request; none where it wants nothing, or the device has no
    /// evidence to give.
    private EstClient.Proof proof(Network.Connection connection, DeviceKeys.Made made) throws IOException {
        if (attester.isEmpty()) {
            return EstClient.Proof.NONE;
        }
        Optional<Bytes> nonce = est.nonce(connection);
        return nonce.isPresent()
                ? EstClient.Proof.of(nonce.get(), attester.get().vouch(nonce.get(), made))
                : EstClient.Proof.NONE;
    }

    @Override
    public Reply checkIn(DeviceIdentity as, CheckIn said) throws IOException {
        Network.HttpAnswer answer;
        try (Network.Connection connection = network.connect(server, as, anchors, clock)) {
            answer = connection.ask(Network.Question.post(
                    "/device/v1/check-in",
                    Map.of("Content-Type", form.mediaType(), "Accept", form.mediaType()),
                    CheckInCodec.encode(said, form).toArray()));
        }
        if (answer.status() != 200) {
            return answer.refusedCheckIn();
        }
        try {
            return new Reply.Heard(CheckInCodec.parseAnswer(Bytes.of(answer.body()), form));
        } catch (MalformedException e) {
            throw new IOException("the server's answer cannot be read: " + e.getMessage(), e);
        }
    }

    @Override
    public Optional<String> lockedOutBy(List<Certificate> others, Bytes order, DeviceIdentity as) throws IOException {
        try (Network.Connection _ = network.connect(server, as, others, clock)) {
            return Optional.empty();
        } catch (SSLException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }
}
