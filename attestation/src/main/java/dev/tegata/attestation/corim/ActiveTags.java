// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.attestation.corim;

import dev.tegata.attestation.cbor.Cbor;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Which CoMIDs speak: those of valid manifests, in their latest version, that no other took the place of, and
/// that are switched on where a CoTL speaks of them.
final class ActiveTags {
    record Active(Endorsements.Source source, Tag.Comid comid) {}

    private static final int MAX_CHAIN = 256;

    private final Instant at;
    private final List<String> problems;
    private final Map<Cbor, List<Active>> byId = new HashMap<>();
    private final Set<Cbor> listed = new HashSet<>();
    private final Set<TagIdentity> activated = new HashSet<>();

    private ActiveTags(Instant at, List<String> problems) {
        this.at = at;
        this.problems = problems;
    }

    static List<Active> of(Collection<Endorsements.Source> sources, Instant at, List<String> problems) {
        ActiveTags tags = new ActiveTags(at, problems);
        sources.forEach(tags::collect);
        Map<Cbor, Active> latest = new HashMap<>();
        tags.byId.forEach((id, versions) -> {
            Active active = tags.latest(versions);
            if (active != null) {
                latest.put(id, active);
            }
        });
        Set<Cbor> replaced = tags.replaced(latest);
        return latest.entrySet().stream()
                .filter(entry -> !replaced.contains(entry.getKey()) && tags.isOn(entry.getValue()))
                .map(Map.Entry::getValue)
                .toList();
    }

    private void collect(Endorsements.Source source) {
        boolean valid = holds(source.corim().validity()) && holds(source.signatureValidity());
        if (!valid) {
            problems.add("the manifest " + source.corim().name() + " is not valid now");
        }
        for (Tag tag : source.corim().tags()) {
            switch (tag) {
                case Tag.Comid comid -> {
                    if (valid) {
                        byId.computeIfAbsent(comid.identity().id(), _ -> new ArrayList<>())
                                .add(new Active(source, comid));
                    }
                }
                case Tag.Cotl cotl -> {
                    // A list that ran out still takes its tags with it.
                    cotl.activated().forEach(identity -> listed.add(identity.id()));
                    if (valid && cotl.validity().contains(at)) {
                        activated.addAll(cotl.activated());
                    }
                }
                case Tag.Opaque _ -> {
                    // Not used in appraisal.
                }
            }
        }
    }

    private boolean holds(@Nullable Validity validity) {
        return validity == null || validity.contains(at);
    }

    /// The highest version; none where two manifests give it different content.
    private @Nullable Active latest(List<Active> versions) {
        Active latest = versions.getFirst();
        boolean conflict = false;
        for (Active candidate : versions.subList(1, versions.size())) {
            long difference = candidate.comid.identity().version()
                    - latest.comid.identity().version();
            if (difference > 0) {
                latest = candidate;
                conflict = false;
            } else if (difference == 0 && !candidate.comid.equals(latest.comid)) {
                conflict = true;
            }
        }
        if (conflict) {
            problems.add("the tag " + latest.comid.identity().name() + " version "
                    + latest.comid.identity().version() + " has two different contents; neither is used");
            return null;
        }
        return latest;
    }

    /// The tags that others took the place of. Only the same signer may do that; two that replace each other both
    /// go.
    private Set<Cbor> replaced(Map<Cbor, Active> latest) {
        Set<Cbor> replaced = new HashSet<>();
        for (Active active : latest.values()) {
            for (Tag.LinkedTag link : active.comid.linkedTags()) {
                Active other = latest.get(link.id());
                if (!link.replaces() || other == null || other == active) {
                    continue;
                }
                if (other.source.signer().equals(active.source.signer())) {
                    replaced.add(link.id());
                } else {
                    problems.add("the tag " + active.comid.identity().name() + " may not replace one of "
                            + other.source.signer());
                }
            }
        }
        for (Cbor id : replaced) {
            if (reaches(latest, id, id, new HashSet<>())) {
                problems.add("the tag " + TagIdentity.name(id) + " replaces itself in a circle");
            }
        }
        return replaced;
    }

    private static boolean reaches(Map<Cbor, Active> latest, Cbor from, Cbor target, Set<Cbor> seen) {
        Active active = latest.get(from);
        return active != null
                && seen.size() < MAX_CHAIN
                && seen.add(from)
                && active.comid.linkedTags().stream()
                        .filter(Tag.LinkedTag::replaces)
                        .anyMatch(link -> link.id().equals(target) || reaches(latest, link.id(), target, seen));
    }

    private boolean isOn(Active active) {
        TagIdentity identity = active.comid.identity();
        // A list that names no version means all of them.
        return !listed.contains(identity.id())
                || activated.contains(identity)
                || activated.contains(new TagIdentity(identity.id(), 0));
    }
}
