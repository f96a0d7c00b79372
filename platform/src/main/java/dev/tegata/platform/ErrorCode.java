// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform;

/// Every way in which Tegata says no. Numbers and codes are stable: clients and runbooks key on them.
///
/// `httpStatus` is the answer's status, `code` its stable name, `title` one sentence that is the same each
/// time, `next` what the reader can do about it.
public enum ErrorCode {
    // The request itself.
    MALFORMED_REQUEST(
            1, 400, "The request cannot be read.", "Correct the part that the detail names and send it again."),
    INVALID_IDENTIFIER(2, 400, "An identifier has the wrong form.", "Copy the identifier from a listing."),
    INVALID_FIELD(3, 422, "A field has a value that is not allowed.", "Correct the field that the detail names."),
    TOO_LARGE(4, 413, "The request is larger than is accepted here.", "Send less, or in several requests."),
    UNSUPPORTED_MEDIA_TYPE(
            5, 415, "The content type is not one that is understood here.", "Use the type that the detail names."),
    NOT_FOUND(
            6,
            404,
            "There is no such thing here.",
            "Check the identifier, and that the key belongs to the right tenant."),
    METHOD_NOT_ALLOWED(7, 405, "This address does not know that method.", "See /openapi.yaml for what it knows."),
    CONFLICT(8, 409, "The state of things does not allow it.", "Read the current state and decide again."),
    PRECONDITION_FAILED(
            9, 412, "It has changed since you read it.", "Read it again and repeat the change with its new ETag."),
    IDEMPOTENCY_KEY_REUSED(
            10, 422, "This idempotency key was used for another request.", "Use a new key for a new request."),
    NOT_ACCEPTABLE(
            11, 406, "The answer has no form that the request accepts.", "Accept the type that the detail names."),
    REQUEST_TIMEOUT(12, 408, "The request did not arrive in time.", "Send it again, without pauses."),
    PRECONDITION_REQUIRED(
            13,
            428,
            "The change does not say which version it is for.",
            "Send 'If-Match' with the ETag that you read."),
    BREAKS_CHAINS(
            14,
            409,
            "It would break chains that are in use.",
            "See in 'breaks' who breaks; roll over first, or leave them behind (--leave-behind, 'leaveBehind')."),

    // Who asks.
    UNAUTHENTICATED(
            20,
            401,
            "The request carries no valid credentials.",
            "Send 'Authorization: Bearer' with an API key that is neither expired nor revoked."),
    FORBIDDEN(21, 403, "The API key's role does not allow this.", "Use a key with a role that may."),
    APPROVAL_REQUIRED(
            23,
            409,
            "A second person must approve this.",
            "Have another API key approve it, then send the same request again with the header Tegata-Approval (the command line: --with-approval)."),
    TOO_MANY_ATTEMPTS(22, 429, "Too many failed attempts.", "Wait for the time in Retry-After."),

    // Enrolment.
    DEVICE_UNKNOWN(
            40,
            403,
            "No claimed device has this key or certificate.",
            "Claim the device, or check which fleet its firmware names."),
    DEVICE_NOT_ACTIVE(41, 403, "The device's state does not allow enrolment.", "See the device's history for why."),
    WRONG_FLEET(42, 403, "The device belongs to another fleet.", "Check the fleet id in the firmware."),
    KEY_MISMATCH(
            43, 403, "The key is not the one that this credential is bound to.", "Enrol with the device's own key."),
    TOKEN_INVALID(44, 401, "The claim token is unknown, expired or used up.", "Make a new claim token for the device."),
    REQUEST_INVALID(45, 400, "The certificate request is not acceptable.", "Correct what the detail names."),
    KEY_NOT_ALLOWED(
            46,
            400,
            "The fleet's profile does not allow a key of this kind.",
            "Use a kind of key that csrattrs lists."),
    APPROVAL_PENDING(
            47, 202, "The fleet wants approval before it issues.", "An operator approves the device; ask again later."),
    ENROLMENT_IN_PROGRESS(
            48,
            503,
            "Another enrolment of this device is being carried out.",
            "Ask again after the time in Retry-After."),
    CERTIFICATE_EXPIRED(
            49,
            403,
            "The certificate has expired.",
            "Enrol with the birth key while the fleet's grace period lasts; after it, lengthen it or refurbish the device."),
    CERTIFICATE_REVOKED(50, 403, "The certificate has been revoked.", "See the device's history for why."),
    NOT_ENABLED(51, 403, "The fleet does not offer this.", "Turn it on in the fleet's policy."),
    EVIDENCE_REQUIRED(
            53,
            403,
            "The fleet gives certificates to devices that prove what they are.",
            "Fetch a nonce, and put evidence for it into the request."),
    EVIDENCE_REFUSED(
            54,
            403,
            "The evidence does not do for a certificate.",
            "The reason says what is wrong; the appraisal that it names explains it."),
    POSTURE_NOT_GOOD(
            55,
            403,
            "The device is not good by its last evidence, and gets no further certificate.",
            "Update the device; it proves itself at its next check-in."),
    STATUS_UNKNOWN(
            56,
            503,
            "It is not known now whether the device's certificate is revoked.",
            "Ask again after the time in Retry-After. Where it stays so, 'tegata trust crl-sources' says why."),
    AUTHORITY_NOT_READY(
            52,
            503,
            "The fleet's authority cannot issue.",
            "Finish setting the authority up, or replace its expired certificate."),

    // Claims.
    MANIFEST_UNREADABLE(
            60,
            422,
            "The file is no manifest that is known here.",
            "See the documentation for the formats that can be imported."),

    // Check-ins.
    OPERATIONAL_IDENTITY_REQUIRED(
            70,
            403,
            "The device has a good operational identity and did not use it.",
            "Check in with the operational certificate; where its answer was lost, enrol again for the same key."),
    NONCE_INVALID(
            71,
            403,
            "The nonce of the signed check-in is not good any more.",
            "Fetch another nonce and sign the check-in anew."),

    // Verification.
    ENDORSEMENT_REFUSED(
            110,
            422,
            "The endorsement is not acceptable.",
            "Correct what the detail names, or let an allowed signer sign it."),
    EXCHANGE_OVER(111, 410, "The session, nonce or challenge has expired.", "Begin again with a new one."),
    POLICY_INVALID(
            112,
            422,
            "The appraisal policy is wrong or fails its own tests.",
            "Correct it, and run 'tegata policy test' before it is sent."),
    ACTIVATION_FAILED(
            113,
            403,
            "The TPM did not prove that it holds both keys.",
            "Begin a new activation with the endorsement key and the attestation key of one TPM."),

    // The platform.
    UNAVAILABLE(
            80,
            503,
            "A part that is needed is not available at the moment.",
            "Ask again after the time in Retry-After."),
    INTERNAL(81, 500, "Something went wrong inside.", "Report the request id to the operator.");

    private final int number;
    private final int httpStatus;
    private final String title;
    private final String next;

    ErrorCode(int number, int httpStatus, String title, String next) {
        this.number = number;
        this.httpStatus = httpStatus;
        this.title = title;
        this.next = next;
    }

    /// Never reused, never renumbered.
    public int number() {
        return number;
    }

    /// The stable name as clients see it: `device-unknown`.
    public String code() {
        return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
    }

    public int httpStatus() {
        return httpStatus;
    }

    public String title() {
        return title;
    }

    public String next() {
        return next;
    }
}
