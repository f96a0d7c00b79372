// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.access;

import dev.tegata.platform.Texts;

/// Something that a role may allow. Which role allows what stands in [Role].
public enum Permission {
    /// See the tenant and its authorities.
    READ_TENANT,
    /// Make authorities, upload their certificates, import them with their keys.
    MANAGE_AUTHORITIES,
    /// Say which birth CAs and which signers of manifests are trusted.
    MANAGE_TRUST,
    READ_FLEETS,
    MANAGE_FLEETS,
    READ_MANIFESTS,
    IMPORT_MANIFESTS,
    READ_DEVICES,
    /// Approve enrolments, make claim tokens, suspend, revoke and retire devices.
    MANAGE_DEVICES,
    /// Ask for nonces, have evidence appraised, activate attestation keys.
    VERIFY_EVIDENCE,
    /// See appraisals, endorsements and appraisal policies.
    READ_APPRAISALS,
    /// Submit and withdraw endorsements, say who may sign them, and manage appraisal policies.
    MANAGE_APPRAISAL,
    /// Give devices to other tenants, take them over from others, and lend them.
    TRANSFER_DEVICES,
    /// Ask whether a device may come in.
    ASK_DECISIONS,
    READ_API_KEYS,
    MANAGE_API_KEYS,
    /// Make, pause, resume and remove webhooks, and send events again.
    MANAGE_WEBHOOKS,
    READ_AUDIT,
    /// Take everything that the tenant is, its private keys included, away in a sealed backup.
    EXPORT_BACKUP,
    /// Decide about requests of others that need a second person; only where the request's own
    /// permission is there too.
    APPROVE;

    /// The name in the API: `read-audit`.
    public String id() {
        return Texts.word(this);
    }
}
