// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.endorsement;

import dev.tegata.platform.TenantId;
import org.jdbi.v3.core.Handle;
import org.jspecify.annotations.Nullable;

/// What the appraisals of a tenant rest on at a moment.
///
/// @param endorsementVersion counts the changes of endorsements, attestation keys and trust in signers
/// @param policyId of the policy in force; null where it is the built-in one
public record AppraisalBasis(
        long endorsementVersion, @Nullable String policyId, int policyVersion) {
    private static final AppraisalBasis NOTHING = new AppraisalBasis(0, null, 0);

    public static AppraisalBasis read(Handle tx, TenantId tenant) {
        return tx.createQuery("""
                        SELECT endorsement_version, policy_id, policy_version FROM appraisal_basis
                        WHERE tenant_id = :tenant""")
                .bind("tenant", tenant)
                .map((row, context) -> new AppraisalBasis(
                        row.getLong("endorsement_version"), row.getString("policy_id"), row.getInt("policy_version")))
                .findOne()
                .orElse(NOTHING);
    }

    /// Has those who change the basis of a tenant wait until the transaction `tx` ends, and waits for them.
    public static void lock(Handle tx, TenantId tenant) {
        tx.createQuery("SELECT 1 FROM appraisal_basis WHERE tenant_id = :tenant FOR UPDATE")
                .bind("tenant", tenant)
                .mapTo(Integer.class)
                .findOne();
    }

    /// Counts a change. Two transactions that change the basis of one tenant wait for each other here:
    /// call it first.
    public static void change(Handle tx, TenantId tenant) {
        tx.createUpdate("""
                        INSERT INTO appraisal_basis (tenant_id, endorsement_version) VALUES (:tenant, 1)
                        ON CONFLICT (tenant_id) DO UPDATE
                        SET endorsement_version = appraisal_basis.endorsement_version + 1""").bind("tenant", tenant).execute();
    }

    /// Puts a policy in force; null for the built-in one.
    public static void changePolicy(Handle tx, TenantId tenant, @Nullable String policyId, int policyVersion) {
        tx.createUpdate("""
                        INSERT INTO appraisal_basis (tenant_id, policy_id, policy_version)
                        VALUES (:tenant, :policy, :version)
                        ON CONFLICT (tenant_id) DO UPDATE SET policy_id = :policy, policy_version = :version""")
                .bind("tenant", tenant)
                .bind("policy", policyId)
                .bind("version", policyId == null ? null : policyVersion)
                .execute();
    }
}
