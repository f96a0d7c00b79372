// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.release;

import dev.tegata.attestation.MalformedException;
import dev.tegata.attestation.appraisal.EvidenceOutcome;
import dev.tegata.attestation.appraisal.EvidenceOutcome.Verified;
import dev.tegata.attestation.cbor.Cbor;
import dev.tegata.attestation.cbor.CborLimits;
import dev.tegata.attestation.corim.Corim;
import dev.tegata.attestation.corim.Endorsements;
import dev.tegata.attestation.corim.Environment;
import dev.tegata.attestation.corim.Measurement;
import dev.tegata.attestation.corim.ReleaseStatus;
import dev.tegata.attestation.corim.Tag;
import dev.tegata.attestation.corim.TagIdentity;
import dev.tegata.attestation.corim.Triple;
import dev.tegata.attestation.corim.Versions;
import dev.tegata.attestation.psa.SoftwareComponent;
import dev.tegata.attestation.suit.SuitEnvelope;
import dev.tegata.pki.Bytes;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.IntegrityException;
import dev.tegata.platform.Page;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.TenantId;
import dev.tegata.platform.TimeOrderedIds;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.audit.AuditEvent;
import dev.tegata.platform.audit.AuditLog;
import dev.tegata.platform.endorsement.Endorsement;
import dev.tegata.platform.endorsement.EndorsementId;
import dev.tegata.platform.endorsement.EndorsementSigner;
import dev.tegata.platform.endorsement.EndorsementStore;
import dev.tegata.platform.store.Columns;
import dev.tegata.platform.store.Database;
import dev.tegata.platform.store.Json;
import java.lang.reflect.Type;
import java.security.SecureRandom;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jdbi.v3.core.Handle;
import org.jdbi.v3.core.generic.GenericType;
import org.jspecify.annotations.Nullable;

/// The releases of a tenant.
///
/// Implementation notes:
/// - A release acts as a manifest of the tenant's own: reference values for its components, and its
///   status for whatever
/// matches them. So appraisals know nothing of releases, and a change has stored evidence judged again
/// by the way
///   that each endorsement does.
/// - The row is written first, the manifest submitted after: what was not submitted before a fall is
///   submitted by
///   [#keep].
public final class Releases {
    private static final String TAG = "tegata-release:";
    private static final int MOST_PER_FLEET = 500;
    private static final Actor ACTOR = Actor.system("releases");
    private static final Type LIST_OF_BYTES = new GenericType<List<Bytes>>() {}.getType();

    private final Database database;
    private final EndorsementStore endorsements;
    private final AuditLog audit;
    private final InstantSource clock;
    private final SecureRandom random;

    public Releases(
            Database database,
            EndorsementStore endorsements,
            AuditLog audit,
            InstantSource clock,
            SecureRandom random) {
        this.database = database;
        this.endorsements = endorsements;
        this.audit = audit;
        this.clock = clock;
        this.random = random;
    }

    /// The version that the tag of a release's endorsement is for; empty where it is another's tag.
    public static String versionOfTag(String tag) {
        if (!tag.startsWith(TAG)) {
            return "";
        }
        int end = tag.indexOf(':', TAG.length());
        return end < 0 ? "" : tag.substring(TAG.length(), end);
    }

    /// Adds a release.
    ///
    /// @throws RefusedException where there is no such fleet, the version is there already, or there
    ///     are too many
    public Release add(TenantId tenant, Actor actor, FleetId fleet, ReleaseContent content) {
        return add(tenant, actor, fleet, content, Source.OURS);
    }

    /// Where a release comes from.
    ///
    /// @param signers who vouch for it; null where whoever added it does
    /// @param told for the audit
    private record Source(@Nullable List<Bytes> signers, Map<String, Object> told) {
        static final Source OURS = new Source(null, Map.of());
    }

    private Release add(TenantId tenant, Actor actor, FleetId fleet, ReleaseContent content, Source source) {
        UUID id = database.inTenant(tenant, tx -> {
            List<Bytes> signers = source.signers == null ? null : endorsements.stillAllowed(tx, tenant, source.signers);
            UUID added = signers == null ? null : vouchAgain(tx, tenant, fleet, content, signers);
            if (added == null) {
                added = TimeOrderedIds.next(clock.instant(), random);
                insert(tx, tenant, added, fleet, content, signers);
                rank(tx, tenant, fleet);
            }
            tell(tx, tenant, actor, "release.added", added, content, source.told);
            return added;
        });
        publish(tenant, actor);
        return get(tenant, id);
    }

    /// Brings a release back for which nobody vouched any more, where it is the same.
    private @Nullable UUID vouchAgain(
            Handle tx, TenantId tenant, FleetId fleet, ReleaseContent content, List<Bytes> signers) {
        for (Release present : select(
                tx,
                "tenant_id = :tenant AND fleet_id = :fleet AND version = :version AND signers = '{}' FOR UPDATE",
                Map.of("tenant", tenant, "fleet", fleet, "version", content.version()))) {
            if (present.content().images().equals(content.images())
                    && present.content().product().equals(content.product())) {
                tx.createUpdate("""
                                UPDATE release SET signers = :signers::bytea[], revision = revision + 1, updated_at = :now
                                WHERE tenant_id = :tenant AND release_id = :id""")
                        .bindByType("signers", signers, LIST_OF_BYTES)
                        .bind("now", clock.instant())
                        .bind("tenant", tenant)
                        .bind("id", present.id())
                        .execute();
                return present.id();
            }
        }
        return null;
    }

    /// Hears that a signer of SUIT manifests is allowed no more, in the transaction that ends it: releases
    /// that rest on it alone say nothing from now on.
    ///
    /// @return the manifests through which they act
    public List<EndorsementId> signerRemoved(Handle tx, TenantId tenant, Actor actor, Bytes signer) {
        List<Release> touched = tx.createQuery("""
                        UPDATE release SET signers = array_remove(signers, :signer), updated_at = :now
                        WHERE tenant_id = :tenant AND :signer = ANY (signers) RETURNING *""")
                .bind("signer", signer)
                .bind("now", clock.instant())
                .bind("tenant", tenant)
                .map((row, context) -> release(row))
                .list();
        List<EndorsementId> manifests = new ArrayList<>();
        for (Release each : touched) {
            UUID manifest = each.endorsement();
            if (each.withdrawn()) {
                tell(tx, tenant, actor, "release.withdrawn", each.id(), each.content(), Map.of("signer", signer.hex()));
                if (manifest != null) {
                    manifests.add(new EndorsementId(manifest));
                }
            }
        }
        return manifests;
    }

    private void insert(
            Handle tx, TenantId tenant, UUID id, FleetId fleet, ReleaseContent content, @Nullable List<Bytes> signers) {
        lock(tx, tenant, fleet);
        int added = tx.createUpdate("""
                        INSERT INTO release (tenant_id, release_id, fleet_id, version, environment, components,
                            variants, signers, security_counter, status, scheme, certificate, valid_until,
                            vulnerabilities, revision, created_at, updated_at)
                        SELECT :tenant, :id, :fleet, :version, :environment, :components::bytea[],
                            :variants::jsonb, CASE WHEN :vouched THEN :signers::bytea[] END, :counter, :status, :scheme, :certificate, :validUntil, :vulnerabilities, 1, :now, :now
                        WHERE (SELECT count(*) FROM release WHERE tenant_id = :tenant AND fleet_id = :fleet) < :most
                        ON CONFLICT (tenant_id, fleet_id, version) DO NOTHING""")
                .bind("tenant", tenant)
                .bind("id", id)
                .bind("fleet", fleet)
                .bind("version", content.version())
                .bind("environment", content.product().toCbor().encode())
                .bindByType(
                        "components",
                        content.components().stream()
                                .map(component -> component.toCbor().encode())
                                .toList(),
                        LIST_OF_BYTES)
                .bind("variants", content.variants().isEmpty() ? null : Json.write(content.variants()))
                .bind("vouched", signers != null)
                .bindByType("signers", signers == null ? List.of() : signers, LIST_OF_BYTES)
                .bind("counter", content.securityCounter())
                .bind("status", content.status().name())
                .bind("scheme", content.scheme())
                .bind("certificate", content.certificate())
                .bind("validUntil", content.validUntil())
                .bindArray("vulnerabilities", String.class, content.vulnerabilities())
                .bind("now", clock.instant())
                .bind("most", MOST_PER_FLEET)
                .execute();
        if (added == 0) {
            throw new RefusedException(
                    ErrorCode.CONFLICT,
                    "the fleet has a release " + content.version() + " already, or " + MOST_PER_FLEET + " releases");
        }
    }

    /// Adds the releases that a manifest has reference values of: one for each of its reference statements.
    ///
    /// @param version theirs, where the manifest does not tell it; null where it does
    /// @throws RefusedException where there is no such manifest, it has no reference values or no
    ///     versions
    public List<Release> addFrom(
            TenantId tenant, Actor actor, FleetId fleet, EndorsementId manifest, @Nullable String version) {
        List<Release> added = new ArrayList<>();
        for (Tag tag : endorsements.manifest(tenant, manifest).tags()) {
            if (tag instanceof Tag.Comid comid) {
                for (Triple triple : comid.triples()) {
                    if (triple instanceof Triple.Reference reference) {
                        added.add(add(tenant, actor, fleet, content(reference, version)));
                    }
                }
            }
        }
        if (added.isEmpty()) {
            throw new RefusedException(ErrorCode.CONFLICT, "the manifest has no reference values");
        }
        return added;
    }

    /// What a device has measured, as an appraisal accepted it.
    ///
    /// @param registers which of a TPM's registers count; empty for all
    /// @param told for the audit
    public record Measured(
            List<? extends EvidenceOutcome> outcomes, Set<Integer> registers, Map<String, Object> told) {}

    /// Adds the release that a device runs: what it has measured is good from now on, for all of its class.
    ///
    /// @param version its version, where the evidence does not tell it; null where it does
    /// @throws RefusedException where the evidence is not genuine, is of several parts or measures no
    /// software
    public Release addFrom(TenantId tenant, Actor actor, FleetId fleet, Measured measured, @Nullable String version) {
        if (measured.outcomes.size() != 1
                || !(measured.outcomes.getFirst() instanceof Verified verified)
                || verified.scheme().equals("ecc608")) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "the appraisal is not of genuine evidence of one attester's software");
        }
        Set<Environment> classes = new HashSet<>();
        List<Measurement> components = new ArrayList<>();
        for (Endorsements.Claim claim : verified.measured()) {
            classes.add(claim.environment().ofAnyInstance());
            claim.measurement().ofRegisters(measured.registers).ifPresent(components::add);
        }
        if (classes.size() != 1 || components.isEmpty()) {
            throw new RefusedException(
                    ErrorCode.CONFLICT, "the evidence measures nothing of these, or more than one class of devices");
        }
        Triple.Reference reference = new Triple.Reference(classes.iterator().next(), List.copyOf(components));
        return add(tenant, actor, fleet, content(reference, version), new Source(null, measured.told));
    }

    /// Adds the release that a SUIT manifest describes. It must be signed by an allowed signer of
    /// endorsements.
    ///
    /// @param product the class of devices that it is for, as their evidence names it
    /// @param element under which their evidence measures the components
    /// @param version its version, where the manifest does not tell it; null where it does
    /// @throws RefusedException where the manifest cannot be read, is not signed by an allowed signer, or
    /// has no
    ///     version
    public Release addFromSuit(TenantId tenant, Actor actor, FleetId fleet, Update update, @Nullable String version) {
        SuitEnvelope envelope;
        List<EndorsementSigner> by;
        try {
            envelope = SuitEnvelope.parse(update.document);
            by = endorsements.signersOf(tenant, envelope::isSignedBy);
        } catch (MalformedException e) {
            throw new RefusedException(ErrorCode.ENDORSEMENT_REFUSED, String.valueOf(e.getMessage()));
        }
        if (envelope.sequenceNumber() > Integer.MAX_VALUE) {
            throw new RefusedException(
                    ErrorCode.ENDORSEMENT_REFUSED,
                    "sequence numbers above " + Integer.MAX_VALUE + " are not supported");
        }
        // Names and versions in the manifest are for people: devices measure the same image under names of their own.
        List<List<Measurement>> images = envelope.variants().stream()
                .map(variant -> variant.stream()
                        .map(component -> new SoftwareComponent(null, component.digest(), null, null, null)
                                .toMeasurement(update.element))
                        .distinct()
                        .toList())
                .distinct()
                .toList();
        List<Measurement> components =
                images.stream().flatMap(List::stream).distinct().toList();
        List<List<Integer>> variants = images.size() == 1
                ? List.of()
                : images.stream()
                        .map(image -> image.stream().map(components::indexOf).toList())
                        .toList();
        return add(
                tenant,
                actor,
                fleet,
                new ReleaseContent(
                        version == null ? version(envelope) : version,
                        update.product,
                        components,
                        variants,
                        (int) envelope.sequenceNumber(),
                        ReleaseStatus.Status.UNCERTIFIED,
                        null,
                        null,
                        null,
                        List.of()),
                new Source(
                        by.stream()
                                .map(signer -> signer.publicKey().fingerprint())
                                .toList(),
                        Map.of(
                                "suitDigest",
                                update.document.sha256(),
                                "signer",
                                by.stream().map(EndorsementSigner::name).collect(Collectors.joining(", ")))));
    }

    /// A SUIT manifest, and what it is for.
    public record Update(Bytes document, Environment product, Cbor element) {}

    private static String version(SuitEnvelope envelope) {
        List<String> told = envelope.variants().stream()
                .flatMap(List::stream)
                .map(SuitEnvelope.Component::version)
                .filter(Objects::nonNull)
                .distinct()
                .toList();
        if (told.size() != 1) {
            throw new RefusedException(ErrorCode.CONFLICT, "the manifest does not tell one version: give it");
        }
        return told.getFirst();
    }

    private static ReleaseContent content(Triple.Reference reference, @Nullable String version) {
        String told = reference.measurements().stream()
                .map(Measurement::version)
                .filter(Objects::nonNull)
                .reduce((_, last) -> last)
                .orElse(version);
        if (told == null) {
            throw new RefusedException(ErrorCode.CONFLICT, "the version is not told: give it");
        }
        return new ReleaseContent(
                told,
                reference.environment(),
                reference.measurements(),
                null,
                ReleaseStatus.Status.UNCERTIFIED,
                null,
                null,
                null,
                List.of());
    }

    /// Changes what is known of a release: its certification and its vulnerabilities.
    ///
    /// @throws RefusedException where there is no such release
    public Release change(TenantId tenant, Actor actor, UUID id, UnaryOperator<ReleaseContent> change) {
        database.inTenant(tenant, tx -> {
            Release present = require(tx, tenant, id, " FOR UPDATE");
            ReleaseContent content = change.apply(present.content());
            Instant end = content.validUntil();
            tx.createUpdate("""
                            UPDATE release SET status = :status, scheme = :scheme, certificate = :certificate,
                                valid_until = :validUntil, lapsed = :lapsed, vulnerabilities = :vulnerabilities,
                                revision = revision + 1, updated_at = :now
                            WHERE tenant_id = :tenant AND release_id = :id""")
                    .bind("status", content.status().name())
                    .bind("scheme", content.scheme())
                    .bind("certificate", content.certificate())
                    .bind("validUntil", end)
                    .bind("lapsed", end != null && !clock.instant().isBefore(end))
                    .bindArray("vulnerabilities", String.class, content.vulnerabilities())
                    .bind("now", clock.instant())
                    .bind("tenant", tenant)
                    .bind("id", id)
                    .execute();
            tell(tx, tenant, actor, "release.changed", id, content);
            return null;
        });
        publish(tenant, actor);
        return get(tenant, id);
    }

    /// Makes a release the oldest that is acceptable in its fleet.
    ///
    /// @throws RefusedException where there is no such release
    public Release makeMinimum(TenantId tenant, Actor actor, UUID id) {
        database.inTenant(tenant, tx -> {
            Release present = require(tx, tenant, id, "");
            lock(tx, tenant, present.fleet());
            for (String sql : List.of(
                    "UPDATE release SET minimum = false WHERE tenant_id = :tenant AND fleet_id = :fleet AND minimum",
                    "UPDATE release SET minimum = true WHERE tenant_id = :tenant AND fleet_id = :fleet AND release_id = :id")) {
                tx.createUpdate(sql)
                        .bind("tenant", tenant)
                        .bind("fleet", present.fleet())
                        .bindMap(sql.contains(":id") ? Map.of("id", id) : Map.of())
                        .execute();
            }
            rank(tx, tenant, present.fleet());
            tell(tx, tenant, actor, "release.made-minimum", id, present.content());
            return null;
        });
        publish(tenant, actor);
        return get(tenant, id);
    }

    /// Has those who change which releases a fleet has, and which is the oldest acceptable one, wait for
    /// each other: each ranks all of them.
    private static void lock(Handle tx, TenantId tenant, FleetId fleet) {
        boolean found = tx.createQuery(
                        "SELECT 1 FROM fleet WHERE tenant_id = :tenant AND fleet_id = :fleet FOR NO KEY UPDATE")
                .bind("tenant", tenant)
                .bind("fleet", fleet)
                .mapTo(Integer.class)
                .findOne()
                .isPresent();
        if (!found) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + fleet);
        }
    }

    /// Works out which releases of a fleet are older than the oldest acceptable one.
    private void rank(Handle tx, TenantId tenant, FleetId fleet) {
        List<Release> all =
                select(tx, "tenant_id = :tenant AND fleet_id = :fleet", Map.of("tenant", tenant, "fleet", fleet));
        Release minimum = all.stream().filter(Release::minimum).findFirst().orElse(null);
        for (Release each : all) {
            String below = minimum != null && isOlder(each.content(), minimum.content())
                    ? minimum.content().version()
                    : null;
            if (!Objects.equals(below, each.below())) {
                tx.createUpdate("""
                                UPDATE release SET below = :below, revision = revision + 1, updated_at = :now
                                WHERE tenant_id = :tenant AND release_id = :id""")
                        .bind("below", below)
                        .bind("now", clock.instant())
                        .bind("tenant", tenant)
                        .bind("id", each.id())
                        .execute();
            }
        }
    }

    private static boolean isOlder(ReleaseContent left, ReleaseContent right) {
        Integer leftCounter = left.securityCounter();
        Integer rightCounter = right.securityCounter();
        if (leftCounter != null && rightCounter != null && !leftCounter.equals(rightCounter)) {
            return leftCounter < rightCounter;
        }
        return Versions.compare(left.version(), right.version()) < 0;
    }

    /// Submits what was not, and lets certifications lapse whose time is over.
    public void keep(TenantId tenant) {
        database.inTenant(
                tenant,
                tx -> tx.createUpdate("""
                        UPDATE release SET lapsed = true, revision = revision + 1, updated_at = :now
                        WHERE tenant_id = :tenant AND valid_until <= :now AND NOT lapsed""")
                        .bind("tenant", tenant)
                        .bind("now", clock.instant())
                        .execute());
        publish(tenant, ACTOR);
    }

    private void publish(TenantId tenant, Actor actor) {
        List<Release> waiting = database.inTenant(
                tenant,
                tx -> select(
                        tx,
                        "tenant_id = :tenant AND published_revision < revision AND signers IS DISTINCT FROM '{}'"
                                + " ORDER BY release_id LIMIT "
                                + MOST_PER_FLEET,
                        Map.of("tenant", tenant)));
        for (Release each : waiting) {
            Endorsement endorsement =
                    endorsements.submit(tenant, actor, manifest(each).encode());
            int published = database.inTenant(
                    tenant,
                    tx -> tx.createUpdate("""
                            UPDATE release SET published_revision = :revision, endorsement_id = :endorsement
                            WHERE tenant_id = :tenant AND release_id = :id AND published_revision < :revision
                                AND signers IS DISTINCT FROM '{}'""")
                            .bind("revision", each.revision())
                            .bind("endorsement", endorsement.id().value())
                            .bind("tenant", tenant)
                            .bind("id", each.id())
                            .execute());
            if (published == 0 && get(tenant, each.id()).withdrawn()) {
                endorsements.withdraw(tenant, actor, endorsement.id());
            }
        }
    }

    private static Corim manifest(Release release) {
        ReleaseContent content = release.content();
        String name = TAG + content.version() + ":" + release.id();
        ReleaseStatus status = new ReleaseStatus(
                release.effectiveStatus(),
                content.scheme(),
                content.certificate(),
                content.validUntil(),
                content.vulnerabilities(),
                release.below());
        List<Triple> triples = new ArrayList<>();
        for (List<Measurement> image : content.images()) {
            triples.add(new Triple.Reference(content.product(), image));
            triples.add(status.forRelease(content.product(), image));
        }
        Tag tag =
                new Tag.Comid(null, new TagIdentity(Cbor.of(name), release.revision()), List.of(), List.of(), triples);
        return new Corim(Cbor.of(name + ":" + release.revision()), List.of(tag), List.of(), null, null, List.of());
    }

    /// @throws RefusedException where there is no such release
    public Release get(TenantId tenant, UUID id) {
        return database.inTenant(tenant, tx -> require(tx, tenant, id, ""));
    }

    /// Releases in the order in which they were added.
    ///
    /// @param fleet of this fleet only; null for all
    public Page<Release> list(TenantId tenant, @Nullable FleetId fleet, Page.Request page) {
        UUID after = page.after(id -> TimeOrderedIds.parse("cursor", id), new UUID(0, 0));
        String filter = "tenant_id = :tenant AND release_id > :after" + (fleet == null ? "" : " AND fleet_id = :fleet")
                + " ORDER BY release_id LIMIT :limit";
        Map<String, Object> bindings =
                new HashMap<>(Map.of("tenant", tenant, "after", after, "limit", page.limit() + 1));
        if (fleet != null) {
            bindings.put("fleet", fleet);
        }
        List<Release> rows = database.inTenant(tenant, tx -> select(tx, filter, bindings));
        return Page.of(rows, page, release -> release.id().toString());
    }

    private static Release require(Handle tx, TenantId tenant, UUID id, String locking) {
        return select(tx, "tenant_id = :tenant AND release_id = :id" + locking, Map.of("tenant", tenant, "id", id))
                .stream()
                .findFirst()
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "there is no release " + id));
    }

    private static List<Release> select(Handle tx, String filter, Map<String, ?> bindings) {
        return tx.createQuery("SELECT * FROM release WHERE " + filter)
                .bindMap(bindings)
                .map((row, context) -> release(row))
                .list();
    }

    private static Release release(ResultSet row) throws SQLException {
        int counter = row.getInt("security_counter");
        Integer knownCounter = row.wasNull() ? null : counter;
        String variants = row.getString("variants");
        Array signers = row.getArray("signers");
        ReleaseContent content = new ReleaseContent(
                row.getString("version"),
                environment(Bytes.of(row.getBytes("environment"))),
                components((byte[][]) row.getArray("components").getArray()),
                variants == null
                        ? List.of()
                        : Json.read("{\"list\":" + variants + "}", Variants.class)
                                .list(),
                knownCounter,
                ReleaseStatus.Status.valueOf(row.getString("status")),
                row.getString("scheme"),
                row.getString("certificate"),
                Columns.instant(row, "valid_until"),
                List.of((String[]) row.getArray("vulnerabilities").getArray()));
        return new Release(
                row.getObject("release_id", UUID.class),
                new FleetId(row.getString("fleet_id")),
                content,
                row.getBoolean("minimum"),
                row.getString("below"),
                row.getBoolean("lapsed"),
                row.getInt("revision"),
                row.getObject("endorsement_id", UUID.class),
                signers != null && ((Object[]) signers.getArray()).length == 0,
                row.getTimestamp("created_at").toInstant(),
                row.getTimestamp("updated_at").toInstant());
    }

    private record Variants(List<List<Integer>> list) {}

    private static Environment environment(Bytes encoded) {
        try {
            return Environment.of(Cbor.read(encoded, CborLimits.TOKEN));
        } catch (MalformedException e) {
            throw new IntegrityException("a stored release cannot be read", e);
        }
    }

    private static List<Measurement> components(byte[][] encoded) {
        List<Measurement> components = new ArrayList<>();
        try {
            for (byte[] each : encoded) {
                components.add(Measurement.of(Cbor.read(Bytes.of(each), CborLimits.TOKEN)));
            }
        } catch (MalformedException e) {
            throw new IntegrityException("a stored release cannot be read", e);
        }
        return components;
    }

    private void tell(Handle tx, TenantId tenant, Actor actor, String action, UUID id, ReleaseContent content) {
        tell(tx, tenant, actor, action, id, content, Map.of());
    }

    private void tell(
            Handle tx,
            TenantId tenant,
            Actor actor,
            String action,
            UUID id,
            ReleaseContent content,
            Map<String, Object> source) {
        Map<String, Object> details = new HashMap<>(source);
        details.put("version", content.version());
        details.put("status", content.status().word());
        details.put("vulnerabilities", String.join(", ", content.vulnerabilities()));
        audit.append(tx, tenant, List.of(new AuditEvent(actor, action, "release:" + id, details)));
    }
}
