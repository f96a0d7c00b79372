// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.key.Pkcs11Vault;
import dev.tegata.pki.key.ReplicatedVault;
import dev.tegata.pki.key.VaultCondition;
import dev.tegata.pki.key.VaultException;
import dev.tegata.pki.key.VaultSurvey;
import dev.tegata.pki.key.WatchedVault;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.tenant.KeyRotation;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// The vault, as the installation's operator sees it.
final class VaultResource {
    /// How many tenants without signatures are named.
    private static final int MOST_NAMED = 100;

    private final WatchedVault vault;
    private final Optional<KeyRotation> rotation;

    /// @param rotation of the software vault's key-encryption key
    VaultResource(WatchedVault vault, Optional<KeyRotation> rotation) {
        this.vault = vault;
        this.rotation = rotation;
    }

    /// @param modules of a PKCS#11 vault, one for each replica
    /// @param failingTenants whose last signature on this node failed
    /// @param failing the first of them
    record View(
            String kind,
            int failingTenants,
            List<FailingView> failing,
            List<ModuleView> modules,
            @Nullable KeyView keyEncryptionKey) {}

    record FailingView(String tenant, @Nullable Instant signedAt, Instant failedAt, String problem) {}

    /// @param next while keys are sealed anew
    /// @param known what this node was given
    record KeyView(String id, @Nullable String next, List<String> known) {
        static KeyView of(KeyRotation.State state) {
            Bytes next = state.next();
            return new KeyView(
                    state.key().hex(),
                    next == null ? null : next.hex(),
                    state.known().stream().map(Bytes::hex).toList());
        }
    }

    /// @param problem why the module told nothing of itself
    /// @param answers false where calls hang in it
    record ModuleView(
            @Nullable String problem,
            boolean answers,
            int hangingCalls,
            @Nullable String library,
            @Nullable String manufacturer,
            @Nullable String description,
            @Nullable String version,
            @Nullable String interfaceVersion,
            List<TokenView> tokens) {
        static ModuleView of(Pkcs11Vault module) {
            try {
                return of(module.survey(), module.condition());
            } catch (VaultException e) {
                VaultCondition condition = module.condition();
                return new ModuleView(
                        e.getMessage(),
                        condition.answers(),
                        condition.hangingCalls(),
                        null,
                        null,
                        null,
                        null,
                        null,
                        List.of());
            }
        }

        private static ModuleView of(VaultSurvey survey, VaultCondition condition) {
            return new ModuleView(
                    null,
                    condition.answers(),
                    condition.hangingCalls(),
                    survey.library(),
                    survey.manufacturer(),
                    survey.description(),
                    survey.version(),
                    survey.interfaceVersion(),
                    survey.tokens().stream().map(TokenView::of).toList());
        }
    }

    record TokenView(
            long slot,
            String label,
            String manufacturer,
            String model,
            String serialNumber,
            String state,
            boolean used,
            @Nullable Long maxSessions,
            @Nullable Long freeMemory,
            List<String> mechanisms) {
        static TokenView of(VaultSurvey.Token token) {
            return new TokenView(
                    token.slot(),
                    token.label(),
                    token.manufacturer(),
                    token.model(),
                    token.serialNumber(),
                    token.state(),
                    token.used(),
                    nullable(token.maxSessions()),
                    nullable(token.freeMemory()),
                    token.mechanisms().stream().map(VaultSurvey.Mechanism::name).toList());
        }

        private static @Nullable Long nullable(OptionalLong number) {
            return number.isPresent() ? number.getAsLong() : null;
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.operatorRoute("GET", "/api/v1/vault", (_, _) -> Response.json(view())),
                gate.operatorRoute("POST", "/api/v1/vault/key-rotation", (_, _) -> rotate()));
    }

    private Response rotate() {
        KeyRotation present = rotation.orElseThrow(() -> new RefusedException(
                ErrorCode.CONFLICT, "keys in an HSM are not sealed under a key of ours: use the HSM's own means"));
        return Response.json(202, KeyView.of(present.begin()));
    }

    private View view() {
        List<Pkcs11Vault> modules = switch (vault.watched()) {
            case Pkcs11Vault hsm -> List.of(hsm);
            case ReplicatedVault replicas -> replicas.tokens();
            default -> List.of();
        };
        Map<String, WatchedVault.Signing> failing = vault.failing();
        return new View(
                vault.kind(),
                failing.size(),
                failing.entrySet().stream()
                        .limit(MOST_NAMED)
                        .flatMap(tenant -> tenant.getValue().failing().stream()
                                .map(failure -> new FailingView(
                                        tenant.getKey(),
                                        tenant.getValue().signedAt(),
                                        failure.at(),
                                        failure.problem())))
                        .toList(),
                modules.stream().map(ModuleView::of).toList(),
                rotation.map(KeyRotation::state).map(KeyView::of).orElse(null));
    }
}
