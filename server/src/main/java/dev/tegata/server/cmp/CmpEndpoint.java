// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cmp;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.Certificate;
import dev.tegata.pki.certificate.InvalidCertificateException;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.pki.key.Vault;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.RefusalLog;
import dev.tegata.platform.claim.SharedSecrets;
import dev.tegata.platform.cmp.CmpTransactions;
import dev.tegata.platform.cmp.CmpTransactions.State;
import dev.tegata.platform.cmp.CmpTransactions.Transaction;
import dev.tegata.platform.enrol.DeviceCredential;
import dev.tegata.platform.enrol.EnrolmentOutcome;
import dev.tegata.platform.enrol.EnrolmentRequest;
import dev.tegata.platform.enrol.Enrolments;
import dev.tegata.platform.fleet.IssuingFleet;
import dev.tegata.server.cmp.CmpAnswers.Reply;
import dev.tegata.server.http.Request;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1Object;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.cmp.CMPCertificate;
import org.bouncycastle.asn1.cmp.CertConfirmContent;
import org.bouncycastle.asn1.cmp.CertOrEncCert;
import org.bouncycastle.asn1.cmp.CertResponse;
import org.bouncycastle.asn1.cmp.CertStatus;
import org.bouncycastle.asn1.cmp.CertifiedKeyPair;
import org.bouncycastle.asn1.cmp.ErrorMsgContent;
import org.bouncycastle.asn1.cmp.GenMsgContent;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIFailureInfo;
import org.bouncycastle.asn1.cmp.PKIFreeText;
import org.bouncycastle.asn1.cmp.PKIStatus;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.cmp.PollRepContent;
import org.bouncycastle.asn1.cmp.PollReqContent;
import org.bouncycastle.asn1.cmp.RevDetails;
import org.bouncycastle.asn1.cmp.RevRepContentBuilder;
import org.bouncycastle.asn1.cmp.RevReqContent;

/// Translates CMP to [Enrolments] and back.
///
/// The path's label is the fleet's public id: `/.well-known/cmp/p/{fleet}`, with or without the name
/// of an operation after it. A message is read, its protection verified, and then it is answered by
/// the kind of its body; whoever fails before that gets an error without protection.
public final class CmpEndpoint {
    private static final String MEDIA_TYPE = "application/pkixcmp";
    private static final String BASE = "/.well-known/cmp/p/{fleet}";
    private static final int BODY_LIMIT = 48 * 1024;
    private static final Duration LONGEST = Duration.ofSeconds(15);

    /// spec| RFC 9483 §6.1, table 17
    private static final Set<String> OPERATIONS = Set.of(
            "initialization",
            "certification",
            "keyupdate",
            "pkcs10",
            "revocation",
            "getcacerts",
            "getrootupdate",
            "getcertreqtemplate");

    private final Enrolments enrolments;
    private final SharedSecrets secrets;
    private final CmpTransactions transactions;
    private final RefusalLog refusals;
    private final CmpAnswers answers;

    public CmpEndpoint(
            Enrolments enrolments,
            SharedSecrets secrets,
            CmpTransactions transactions,
            RefusalLog refusals,
            Vault vault,
            InstantSource clock,
            SecureRandom random) {
        this.enrolments = enrolments;
        this.secrets = secrets;
        this.transactions = transactions;
        this.refusals = refusals;
        this.answers = new CmpAnswers(vault, clock, random);
    }

    public List<Route> routes() {
        return List.of(post(BASE), post(BASE + "/{operation}"));
    }

    private Route post(String path) {
        return Route.post(path, request -> {
                    if (path.endsWith("{operation}") && !OPERATIONS.contains(request.pathParameter("operation"))) {
                        throw new RefusedException(
                                ErrorCode.NOT_FOUND, "the operations known here are " + String.join(", ", OPERATIONS));
                    }
                    return answer(request);
                })
                .withBodyLimit(BODY_LIMIT)
                .withTimeout(LONGEST);
    }

    private Response answer(Request request) {
        if (!request.contentType().equals(MEDIA_TYPE)) {
            throw new RefusedException(
                    ErrorCode.UNSUPPORTED_MEDIA_TYPE, "send the message with 'Content-Type: " + MEDIA_TYPE + "'");
        }
        IssuingFleet fleet = enrolments.fleet(new FleetId(request.pathParameter("fleet")));
        CmpMessage message;
        try {
            message = CmpMessage.parse(request.body());
        } catch (CmpFailure e) {
            return Response.of(400, MEDIA_TYPE, answers.answerToNobody(error(e)));
        }
        Protection protection;
        try {
            message.checkHeader();
            protection = Protection.verify(message, reference -> secrets.secret(fleet.tenant(), reference));
        } catch (CmpFailure e) {
            note(fleet, request, e);
            return Response.of(200, MEDIA_TYPE, answers.unprotectedAnswer(message, fleet.authority(), error(e)));
        }
        Conversation conversation = new Conversation(fleet, message, protection, request.remoteAddress());
        Reply reply;
        try {
            reply = conversation.reply();
        } catch (CmpFailure e) {
            reply = new Reply(error(e), answers.nonce(), false, List.of());
        }
        return Response.of(200, MEDIA_TYPE, answers.protectedAnswer(message, protection, fleet.authority(), reply));
    }

    /// Audits a wrong secret or signature; what is wrong in form alone says nothing about trust.
    private void note(IssuingFleet fleet, Request request, CmpFailure e) {
        if (e.failInfo() == PKIFailureInfo.badMessageCheck) {
            refusals.add(
                    fleet.tenant(),
                    new RefusalLog.Refusal(
                            Actor.system("unknown-device"),
                            request.remoteAddress(),
                            ErrorCode.UNAUTHENTICATED,
                            "fleet:" + fleet.fleet().id(),
                            e.sentence()));
        }
    }

    /// One message of a sender whose protection has been verified.
    private final class Conversation {
        private final IssuingFleet fleet;
        private final FleetId fleetId;
        private final CmpMessage message;
        private final Protection protection;
        private final String source;
        private final Bytes nonce = answers.nonce();

        Conversation(IssuingFleet fleet, CmpMessage message, Protection protection, String source) {
            this.fleet = fleet;
            this.fleetId = fleet.fleet().id();
            this.message = message;
            this.protection = protection;
            this.source = source;
        }

        Reply reply() throws CmpFailure {
            return switch (message.bodyType()) {
                case PKIBody.TYPE_INIT_REQ,
                        PKIBody.TYPE_CERT_REQ,
                        PKIBody.TYPE_P10_CERT_REQ,
                        PKIBody.TYPE_KEY_UPDATE_REQ -> {
                    if (!transactions.begin(fleetId, message.transactionId(), protection.peer())) {
                        throw new CmpFailure(
                                PKIFailureInfo.transactionIdInUse, "A transaction with this id was begun before.");
                    }
                    yield enrol(message, protection);
                }
                case PKIBody.TYPE_POLL_REQ -> poll();
                case PKIBody.TYPE_CERT_CONFIRM -> confirm();
                case PKIBody.TYPE_REVOCATION_REQ -> revoke();
                case PKIBody.TYPE_GEN_MSG ->
                    plain(new PKIBody(
                            PKIBody.TYPE_GEN_REP,
                            CmpInformation.answer(
                                    fleet,
                                    enrolments.published(fleet.fleet().id()),
                                    content(GenMsgContent::getInstance))));
                default -> throw new CmpFailure(PKIFailureInfo.badRequest, "Messages of this kind are not known here.");
            };
        }

        private Reply plain(PKIBody body) {
            return new Reply(body, nonce, false, List.of());
        }

        private Reply enrol(CmpMessage asked, Protection proven) throws CmpFailure {
            Wanted wanted = Wanted.in(asked, proven);
            EnrolmentOutcome outcome = enrolments.enrol(new EnrolmentRequest(
                    fleetId,
                    proven.credential(),
                    wanted.request(),
                    wanted.form(),
                    wanted.purpose(),
                    source,
                    List.of()));
            return switch (outcome) {
                case EnrolmentOutcome.Issued issued -> issued(asked, wanted, issued);
                case EnrolmentOutcome.Pending pending -> {
                    transactions.waits(fleetId, message.transactionId(), nonce, asked.encoded());
                    yield waiting(wanted, pending);
                }
                case EnrolmentOutcome.Refused refused -> {
                    transactions.closed(fleetId, message.transactionId());
                    yield plain(wanted.answer(null, new CertResponse(wanted.id(), rejection(refused))));
                }
            };
        }

        private Reply issued(CmpMessage asked, Wanted wanted, EnrolmentOutcome.Issued issued) {
            boolean implicit = asked.wantsImplicitConfirm();
            if (implicit) {
                transactions.closed(fleetId, message.transactionId());
            } else {
                transactions.issued(
                        fleetId,
                        message.transactionId(),
                        nonce,
                        issued.certificate().encoded());
            }
            // spec| RFC 9483 §4.1.5: a device with a secret only learns the root here
            CMPCertificate[] anchors = protection instanceof Protection.Mac && asked.bodyType() == PKIBody.TYPE_INIT_REQ
                    ? new CMPCertificate[] {CmpAnswers.cmp(issued.chain().getLast())}
                    : null;
            CertResponse response = new CertResponse(
                    wanted.id(),
                    new PKIStatusInfo(PKIStatus.granted),
                    new CertifiedKeyPair(new CertOrEncCert(CmpAnswers.cmp(issued.certificate()))),
                    null);
            return new Reply(wanted.answer(anchors, response), nonce, implicit, issued.chain());
        }

        private Reply waiting(Wanted wanted, EnrolmentOutcome.Pending pending) {
            if (message.bodyType() == PKIBody.TYPE_POLL_REQ) {
                return plain(new PKIBody(
                        PKIBody.TYPE_POLL_REP,
                        new PollRepContent(
                                wanted.id(),
                                new ASN1Integer(pending.retryAfter().toSeconds()))));
            }
            PKIStatusInfo status =
                    new PKIStatusInfo(PKIStatus.waiting, new PKIFreeText(ErrorCode.APPROVAL_PENDING.title()));
            return plain(wanted.answer(null, new CertResponse(wanted.id(), status)));
        }

        private Reply poll() throws CmpFailure {
            Transaction transaction = transaction(State.WAITING);
            if (content(PollReqContent::getInstance).getCertReqIdValues().length != 1) {
                throw new CmpFailure(PKIFailureInfo.badRequest, "A poll asks for one certificate.");
            }
            CmpMessage original = CmpMessage.parse(
                    Optional.ofNullable(transaction.message()).orElseThrow().toArray());
            // The peer is the same; intermediate certificates may have come with the first message only.
            Protection proven = protection instanceof Protection.Signed
                    ? new Protection.Signed(original.extraCertificates())
                    : protection;
            return enrol(original, proven);
        }

        private Reply confirm() throws CmpFailure {
            Transaction transaction = transaction(State.ISSUED);
            Certificate issued = certificate(transaction);
            CertStatus[] statuses = content(CertConfirmContent::getInstance).toCertStatusArray();
            if (statuses.length != 1) {
                throw new CmpFailure(PKIFailureInfo.badRequest, "A confirmation is about one certificate.");
            }
            CertStatus status = statuses[0];
            Bytes hash = Bytes.of(status.getCertHash().getOctets());
            if (!CertificateHash.of(issued, status.getHashAlg()).equals(hash)) {
                throw new CmpFailure(PKIFailureInfo.badCertId, "The hash is not that of the certificate issued.");
            }
            PKIStatusInfo info = status.getStatusInfo();
            if (info != null && info.getStatusObject().hasValue(PKIStatus.REJECTION)) {
                // Who gets a certificate in a transaction has proven its key there, whatever protects the messages.
                enrolments.revoke(
                        fleetId,
                        new DeviceCredential.SignedMessage(List.of(issued.encoded())),
                        issued.serial(),
                        RevocationReason.CESSATION_OF_OPERATION,
                        source);
            }
            transactions.closed(fleetId, message.transactionId());
            return plain(new PKIBody(PKIBody.TYPE_CONFIRM, DERNull.INSTANCE));
        }

        private static Certificate certificate(Transaction transaction) {
            try {
                return Certificate.parse(
                        Optional.ofNullable(transaction.certificate()).orElseThrow());
            } catch (InvalidCertificateException e) {
                throw new IntegrityException("a stored certificate cannot be read", e);
            }
        }

        private Transaction transaction(State expected) throws CmpFailure {
            Transaction transaction = transactions
                    .find(fleetId, message.transactionId(), protection.peer())
                    .orElseThrow(() -> new CmpFailure(
                            PKIFailureInfo.badRequest, "This sender has begun no transaction with this id."));
            if (transaction.state() != expected) {
                throw transaction.state() == State.CLOSED && expected == State.ISSUED
                        ? new CmpFailure(PKIFailureInfo.certConfirmed, "The transaction has ended already.")
                        : new CmpFailure(PKIFailureInfo.badRequest, "The transaction does not wait for this message.");
            }
            if (!Objects.equals(message.recipientNonce(), transaction.nonce())) {
                throw new CmpFailure(
                        PKIFailureInfo.badRecipientNonce, "The recipient's nonce is not the one that was sent last.");
            }
            return transaction;
        }

        private Reply revoke() throws CmpFailure {
            RevDetails[] details = content(RevReqContent::getInstance).toRevDetailsArray();
            if (details.length != 1 || details[0].getCertDetails().getSerialNumber() == null) {
                throw new CmpFailure(
                        PKIFailureInfo.badRequest, "A revocation names one certificate by its serial number.");
            }
            if (!(protection instanceof Protection.Signed)) {
                throw new CmpFailure(
                        PKIFailureInfo.wrongIntegrity, "A request for revocation is signed, not protected by a MAC.");
            }
            SerialNumber serial = RevocationReason.serial(details[0]);
            int reason = RevocationReason.of(details[0]);
            PKIStatusInfo status = enrolments
                    .revoke(fleetId, protection.credential(), serial, reason, source)
                    .map(CmpEndpoint::rejection)
                    .orElseGet(() -> new PKIStatusInfo(PKIStatus.granted));
            return plain(new PKIBody(
                    PKIBody.TYPE_REVOCATION_REP,
                    new RevRepContentBuilder().add(status).build()));
        }

        private <T extends ASN1Object> T content(java.util.function.Function<Object, T> reader) throws CmpFailure {
            return CmpContents.read(message, reader);
        }
    }

    private static PKIBody error(CmpFailure e) {
        return new PKIBody(PKIBody.TYPE_ERROR, new ErrorMsgContent(status(e.failInfo(), e.sentence())));
    }

    private static PKIStatusInfo status(int failInfo, String sentence) {
        return new PKIStatusInfo(PKIStatus.rejection, new PKIFreeText(sentence), new PKIFailureInfo(failInfo));
    }

    private static PKIStatusInfo rejection(EnrolmentOutcome.Refused refused) {
        ErrorCode code = refused.code();
        String told = refused.told();
        String sentence = code.code() + ": " + code.title() + (told.isEmpty() ? "" : " " + told + ".");
        int failInfo = switch (code) {
            case REQUEST_INVALID, KEY_NOT_ALLOWED -> PKIFailureInfo.badCertTemplate;
            case CERTIFICATE_REVOKED -> PKIFailureInfo.certRevoked;
            case NOT_FOUND -> PKIFailureInfo.badCertId;
            case AUTHORITY_NOT_READY, ENROLMENT_IN_PROGRESS, STATUS_UNKNOWN, UNAVAILABLE ->
                PKIFailureInfo.systemUnavail;
            default -> PKIFailureInfo.notAuthorized;
        };
        return status(failInfo, sentence);
    }
}
