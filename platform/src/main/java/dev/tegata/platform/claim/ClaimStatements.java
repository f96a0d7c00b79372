// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.claim;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toList;

import dev.tegata.pki.Bytes;
import dev.tegata.platform.claim.KnownClaims.NewDevice;
import dev.tegata.platform.claim.KnownClaims.NewKey;
import dev.tegata.platform.device.Device.Proof;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// The SQL of a batch: one statement with arrays for each table.
final class ClaimStatements {
    private static final String INSERT_OWNERS = """
            INSERT INTO chip_owner (chip, serial, tenant_id)
            SELECT ?, serial, ? FROM unnest(?::text[]) AS new (serial)""";

    private final Connection connection;
    private final ClaimWriter.Target target;
    private final Instant now;

    ClaimStatements(Connection connection, ClaimWriter.Target target, Instant now) {
        this.connection = connection;
        this.target = target;
        this.now = now;
    }

    /// The import, which stays as it is until the transaction ends.
    ManifestReport lockManifest() throws SQLException {
        try (PreparedStatement select = connection.prepareStatement(
                "SELECT * FROM manifest WHERE tenant_id = ? AND manifest_id = ? FOR UPDATE")) {
            select.setString(1, target.tenant().value());
            select.setObject(2, target.manifest().value());
            return onlyReport(select);
        }
    }

    /// Takes chips; an error where somebody has one of them.
    void insertOwners(Collection<OwnedChip> chips) throws SQLException {
        for (Map.Entry<String, List<String>> serials : serialsByChip(chips).entrySet()) {
            try (PreparedStatement insert = owners(INSERT_OWNERS, serials)) {
                insert.executeUpdate();
            }
        }
    }

    /// Takes those chips that nobody has, and tells which these were.
    Set<OwnedChip> insertFreeOwners(Collection<OwnedChip> chips) throws SQLException {
        Set<OwnedChip> taken = new HashSet<>();
        for (Map.Entry<String, List<String>> serials : serialsByChip(chips).entrySet()) {
            try (PreparedStatement insert =
                    owners(INSERT_OWNERS + " ON CONFLICT DO NOTHING RETURNING chip, serial", serials)) {
                taken.addAll(chips(insert));
            }
        }
        return taken;
    }

    /// In order: two imports of the same chips then wait for each other, and never both ways round.
    private static SortedMap<String, List<String>> serialsByChip(Collection<OwnedChip> chips) {
        return chips.stream()
                .sorted()
                .collect(groupingBy(OwnedChip::chip, TreeMap::new, mapping(OwnedChip::serial, toList())));
    }

    private PreparedStatement owners(String sql, Map.Entry<String, List<String>> serials) throws SQLException {
        PreparedStatement insert = connection.prepareStatement(sql);
        insert.setString(1, serials.getKey());
        insert.setString(2, target.tenant().value());
        insert.setArray(3, texts(serials.getValue().toArray(String[]::new)));
        return insert;
    }

    /// Which of the chips this tenant has; row-level security shows no others.
    Set<OwnedChip> owned(Collection<OwnedChip> chips) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement("""
                SELECT chip, serial FROM chip_owner
                JOIN unnest(?::text[], ?::text[]) AS wanted (chip, serial) USING (chip, serial)
                WHERE tenant_id = ?""")) {
            setChips(select, 1, chips);
            select.setString(3, target.tenant().value());
            return chips(select);
        }
    }

    /// Gives back chips that were taken in this transaction.
    void deleteOwners(Collection<OwnedChip> chips) throws SQLException {
        if (chips.isEmpty()) {
            return;
        }
        try (PreparedStatement delete = connection.prepareStatement("""
                DELETE FROM chip_owner o USING unnest(?::text[], ?::text[]) AS unused (chip, serial)
                WHERE o.chip = unused.chip AND o.serial = unused.serial AND o.tenant_id = ?""")) {
            setChips(delete, 1, chips);
            delete.setString(3, target.tenant().value());
            delete.executeUpdate();
        }
    }

    /// Puts into `known` the devices and keys that `candidates` may meet.
    void load(KnownClaims known, List<Candidate> candidates) throws SQLException {
        try (PreparedStatement select = connection.prepareStatement("""
                SELECT device_id, chip, serial, proof FROM device
                JOIN unnest(?::text[], ?::text[]) AS wanted (chip, serial) USING (chip, serial)
                WHERE tenant_id = ?""")) {
            select.setArray(1, texts(candidates.stream().map(c -> c.chip().id()).toArray(String[]::new)));
            select.setArray(2, texts(candidates.stream().map(Candidate::serial).toArray(String[]::new)));
            select.setString(3, target.tenant().value());
            try (ResultSet row = select.executeQuery()) {
                while (row.next()) {
                    known.device(
                            row.getObject(1, UUID.class),
                            row.getString(2),
                            row.getString(3),
                            Proof.valueOf(row.getString(4)));
                }
            }
        }
        try (PreparedStatement select = connection.prepareStatement("""
                SELECT device_id, slot, fingerprint FROM device_key WHERE tenant_id = ? AND fingerprint = ANY (?)
                UNION
                SELECT device_id, slot, fingerprint FROM device_key WHERE tenant_id = ? AND device_id = ANY (?)""")) {
            byte[][] fingerprints = candidates.stream()
                    .flatMap(candidate -> candidate.keys().stream())
                    .map(key -> key.fingerprint().toArray())
                    .toArray(byte[][]::new);
            select.setString(1, target.tenant().value());
            select.setArray(2, connection.createArrayOf("bytea", fingerprints));
            select.setString(3, target.tenant().value());
            select.setArray(
                    4, connection.createArrayOf("uuid", known.deviceIds().toArray()));
            try (ResultSet row = select.executeQuery()) {
                while (row.next()) {
                    known.key(row.getObject(1, UUID.class), row.getInt(2), Bytes.of(row.getBytes(3)));
                }
            }
        }
    }

    /// Stores new devices; an error where one of them is there after all.
    void insertDevices(List<NewDevice> devices) throws SQLException {
        // What a batch nearly always has in common is not told for each row.
        for (Map.Entry<Origin, List<NewDevice>> of :
                devices.stream().collect(groupingBy(Origin::of)).entrySet()) {
            insertDevices(of.getKey(), of.getValue());
        }
    }

    /// Who numbers chips, and what proves where they are from.
    private record Origin(Chip chip, Proof proof) {
        static Origin of(NewDevice device) {
            return new Origin(device.candidate().chip(), device.candidate().proof());
        }
    }

    private void insertDevices(Origin origin, List<NewDevice> devices) throws SQLException {
        try (PreparedStatement insert = connection.prepareStatement("""
                INSERT INTO device (tenant_id, device_id, fleet_id, chip, serial, model, state, proof, manifest_id, claimed_at)
                SELECT ?, id, ?, ?, serial, model, 'CLAIMED', ?, ?, ?
                FROM unnest(?::uuid[], ?::text[], ?::text[]) AS new (id, serial, model)""")) {
            List<Candidate> candidates =
                    devices.stream().map(NewDevice::candidate).toList();
            insert.setString(1, target.tenant().value());
            insert.setString(2, target.fleet().value());
            insert.setString(3, origin.chip().id());
            insert.setString(4, origin.proof().name());
            insert.setObject(5, target.manifest().value());
            insert.setObject(6, now.atOffset(ZoneOffset.UTC));
            insert.setArray(
                    7,
                    connection.createArrayOf(
                            "uuid", devices.stream().map(NewDevice::id).toArray()));
            insert.setArray(8, texts(candidates.stream().map(Candidate::serial).toArray(String[]::new)));
            insert.setArray(9, texts(candidates.stream().map(Candidate::model).toArray(String[]::new)));
            insert.executeUpdate();
        }
    }

    /// Stores new birth keys; an error where a device has one of them already.
    void insertKeys(List<NewKey> keys) throws SQLException {
        if (keys.isEmpty()) {
            return;
        }
        int count = keys.size();
        UUID[] devices = new UUID[count];
        Short[] slots = new Short[count];
        byte[][] fingerprints = new byte[count][];
        byte[][] publicKeys = new byte[count][];
        byte[] @Nullable [] certificates = new byte[count] @Nullable [];
        @Nullable String[] anchors = new @Nullable String[count];
        for (int i = 0; i < count; i++) {
            BirthKey key = keys.get(i).key();
            devices[i] = keys.get(i).device();
            slots[i] = (short) key.slot();
            fingerprints[i] = key.fingerprint().toArray();
            publicKeys[i] = key.publicKey().toArray();
            certificates[i] =
                    key.certificate() == null ? null : key.certificate().toArray();
            anchors[i] = key.anchor();
        }
        try (PreparedStatement insert = connection.prepareStatement("""
                INSERT INTO device_key (tenant_id, fingerprint, device_id, slot, public_key, certificate, certificate_anchor)
                SELECT ?, fingerprint, device, slot, public_key, certificate, anchor
                FROM unnest(?::bytea[], ?::uuid[], ?::smallint[], ?::bytea[], ?::bytea[], ?::text[])
                    AS new (fingerprint, device, slot, public_key, certificate, anchor)""")) {
            insert.setString(1, target.tenant().value());
            insert.setArray(2, connection.createArrayOf("bytea", fingerprints));
            insert.setArray(3, connection.createArrayOf("uuid", devices));
            insert.setArray(4, connection.createArrayOf("smallint", slots));
            insert.setArray(5, connection.createArrayOf("bytea", publicKeys));
            insert.setArray(6, connection.createArrayOf("bytea", certificates));
            insert.setArray(7, texts(anchors));
            insert.executeUpdate();
        }
    }

    void raiseProofs(Map<UUID, Proof> proofs) throws SQLException {
        if (proofs.isEmpty()) {
            return;
        }
        try (PreparedStatement update = connection.prepareStatement("""
                UPDATE device SET proof = raised.proof, version = version + 1
                FROM unnest(?::uuid[], ?::text[]) AS raised (id, proof)
                WHERE tenant_id = ? AND device_id = raised.id""")) {
            update.setArray(1, connection.createArrayOf("uuid", proofs.keySet().toArray()));
            update.setArray(2, texts(proofs.values().stream().map(Proof::name).toArray(String[]::new)));
            update.setString(3, target.tenant().value());
            update.executeUpdate();
        }
    }

    void insertIssues(List<ManifestIssue> issues) throws SQLException {
        if (issues.isEmpty()) {
            return;
        }
        try (PreparedStatement insert = connection.prepareStatement("""
                INSERT INTO manifest_issue (tenant_id, manifest_id, position, outcome, serial, reason, detail)
                SELECT ?, ?, *
                FROM unnest(?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[])""")) {
            insert.setString(1, target.tenant().value());
            insert.setObject(2, target.manifest().value());
            insert.setArray(
                    3,
                    connection.createArrayOf(
                            "bigint",
                            issues.stream().map(ManifestIssue::position).toArray()));
            insert.setArray(
                    4, texts(issues.stream().map(i -> i.outcome().name()).toArray(String[]::new)));
            insert.setArray(5, texts(issues.stream().map(ManifestIssue::serial).toArray(String[]::new)));
            insert.setArray(6, texts(issues.stream().map(ManifestIssue::reason).toArray(String[]::new)));
            insert.setArray(7, texts(issues.stream().map(ManifestIssue::detail).toArray(String[]::new)));
            insert.executeUpdate();
        }
    }

    /// Adds a batch to the import's numbers.
    ManifestReport advance(ManifestFormat format, BatchResult batch) throws SQLException {
        try (PreparedStatement update = connection.prepareStatement("""
                UPDATE manifest SET
                    format = coalesce(format, ?),
                    elements = elements + ?,
                    claimed = claimed + ?,
                    already_claimed = already_claimed + ?,
                    rejected = rejected + ?,
                    conflicts = conflicts + ?,
                    updated_at = ?
                WHERE tenant_id = ? AND manifest_id = ?
                RETURNING *""")) {
            update.setString(1, format.id());
            update.setInt(2, batch.elements());
            update.setInt(3, batch.claimed());
            update.setInt(4, batch.alreadyClaimed());
            update.setInt(5, batch.rejected());
            update.setInt(6, batch.conflicts());
            update.setObject(7, now.atOffset(ZoneOffset.UTC));
            update.setString(8, target.tenant().value());
            update.setObject(9, target.manifest().value());
            return onlyReport(update);
        }
    }

    private static ManifestReport onlyReport(PreparedStatement statement) throws SQLException {
        try (ResultSet row = statement.executeQuery()) {
            if (!row.next()) {
                throw new IllegalStateException("the import's row has gone");
            }
            return Manifests.report(row);
        }
    }

    private void setChips(PreparedStatement statement, int at, Collection<OwnedChip> chips) throws SQLException {
        statement.setArray(at, texts(chips.stream().map(OwnedChip::chip).toArray(String[]::new)));
        statement.setArray(at + 1, texts(chips.stream().map(OwnedChip::serial).toArray(String[]::new)));
    }

    private static Set<OwnedChip> chips(PreparedStatement statement) throws SQLException {
        Set<OwnedChip> chips = new HashSet<>();
        try (ResultSet row = statement.executeQuery()) {
            while (row.next()) {
                chips.add(new OwnedChip(row.getString(1), row.getString(2)));
            }
        }
        return chips;
    }

    private java.sql.Array texts(@Nullable String[] texts) throws SQLException {
        return connection.createArrayOf("text", texts);
    }
}
