// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.testing;

import java.util.List;

/// What must hold in every database after every test, whatever the test did.
///
/// @param sentence what is wrong where it does not hold
/// @param query    returns one column of text: what violates it, among the rows of the tenant in view
public record Invariant(String sentence, String query) {
    /// The invariants of the whole schema. The audit chain is recomputed by the database, as a second
    /// opinion.
    public static final List<Invariant> ALL = List.of(
            new Invariant("audit record does not follow from the one before it", """
                    SELECT sequence::text FROM (
                        SELECT sequence, record, hash,
                               lag(hash) OVER (ORDER BY sequence) AS previous,
                               lag(sequence) OVER (ORDER BY sequence) AS previous_sequence
                          FROM audit_record) AS chain
                     WHERE sequence <> coalesce(previous_sequence, 0) + 1
                        OR hash <> sha256(
                               coalesce(previous, sha256(convert_to('tegata-audit-v1 ' || current_tenant(), 'UTF8')))
                               || convert_to(record, 'UTF8'))"""),
            new Invariant("audit head is not the last record", """
                    SELECT head.sequence::text FROM audit_head AS head
                     WHERE head.sequence > 0
                       AND NOT EXISTS (SELECT FROM audit_record AS last
                                        WHERE last.sequence = head.sequence AND last.hash = head.hash)
                        OR EXISTS (SELECT FROM audit_record AS later WHERE later.sequence > head.sequence)"""),
            new Invariant("certificate belongs to no device", """
                    SELECT encode(serial_number, 'hex') FROM certificate
                     WHERE device_id IS NOT NULL AND device_id NOT IN (SELECT device_id FROM device)
                       AND device_id NOT IN (SELECT device_id FROM handed_over)"""),
            new Invariant("certificate has no issuer", """
                    SELECT encode(serial_number, 'hex') FROM certificate
                     WHERE authority_id NOT IN (SELECT authority_id FROM authority)"""),
            new Invariant("device names a certificate that is not its own", """
                    SELECT device_id::text FROM device
                     WHERE certificate IS NOT NULL
                       AND NOT EXISTS (SELECT FROM certificate AS own
                                        WHERE own.serial_number = device.certificate
                                          AND own.device_id = device.device_id)"""),
            new Invariant("device does not hold its chip", """
                    SELECT device_id::text FROM device
                     WHERE state <> 'RETIRED' AND chip <> 'other'
                       AND NOT EXISTS (SELECT FROM chip_owner AS held
                                        WHERE held.chip = device.chip AND held.serial = device.serial)"""));
}
