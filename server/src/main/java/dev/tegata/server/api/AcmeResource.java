// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.DeviceId;
import dev.tegata.platform.ErrorCode;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.RefusedException;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.acme.AcmeKey;
import dev.tegata.platform.acme.AcmePolicy;
import dev.tegata.platform.acme.AcmeSettings;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Which fleets offer ACME and for what, and the keys that bind accounts to devices.
final class AcmeResource {
    private static final String POLICY = FleetResource.PATH + "/{fleet}/acme";
    private static final String KEYS = DeviceResource.PATH + "/{device}/acme-keys";
    private static final int HTTP_PORT = 80;

    private final AcmeSettings settings;

    AcmeResource(AcmeSettings settings) {
        this.settings = settings;
    }

    record PolicyBody(
            List<String> names,
            List<String> networks,
            @Nullable Integer httpPort,
            @Nullable Boolean attestation) {
        AcmePolicy policy() {
            return new AcmePolicy(
                    names, networks, httpPort == null ? HTTP_PORT : httpPort, attestation != null && attestation);
        }
    }

    /// What is left out stays as it is.
    record ChangeBody(
            @Nullable List<String> names,
            @Nullable List<String> networks,
            @Nullable Integer httpPort,
            @Nullable Boolean attestation) {
        AcmePolicy over(AcmePolicy before) {
            return new AcmePolicy(
                    names == null ? before.names() : names,
                    networks == null ? before.networks() : networks,
                    httpPort == null ? before.httpPort() : httpPort,
                    attestation == null ? before.attestation() : attestation);
        }
    }

    record PolicyView(List<String> names, List<String> networks, int httpPort, boolean attestation) {
        static PolicyView of(AcmePolicy policy) {
            return new PolicyView(policy.names(), policy.networks(), policy.httpPort(), policy.attestation());
        }
    }

    record KeyBody(
            Duration validity,
            @Nullable List<String> names,
            @Nullable String address) {
        AcmeKey.Wanted wanted() {
            return new AcmeKey.Wanted(names == null ? List.of() : names, address, validity);
        }
    }

    /// `secret` is shown once, by the operation that makes the key.
    record KeyView(
            String id,
            String fleet,
            String device,
            List<String> names,
            @Nullable String address,
            @Nullable String secret,
            Instant createdAt,
            Instant expiresAt,
            @Nullable Instant usedAt) {
        static KeyView of(AcmeKey key, @Nullable String secret) {
            return new KeyView(
                    key.id(),
                    key.fleet().value(),
                    key.device().toString(),
                    key.scope().names(),
                    key.scope().address(),
                    secret,
                    key.createdAt(),
                    key.expiresAt(),
                    key.usedAt());
        }

        /// Without the secret.
        @Override
        public String toString() {
            return "KeyView[" + id + "]";
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("GET", POLICY, Permission.READ_FLEETS, this::show),
                gate.route("PUT", POLICY, Permission.MANAGE_FLEETS, this::set),
                gate.route("PATCH", POLICY, Permission.MANAGE_FLEETS, this::change),
                gate.route("DELETE", POLICY, Permission.MANAGE_FLEETS, this::remove),
                gate.route("GET", KEYS, Permission.READ_DEVICES, this::keys),
                gate.creating(KEYS, Permission.MANAGE_DEVICES, this::createKey),
                gate.route("DELETE", KEYS + "/{acmeKey}", Permission.MANAGE_DEVICES, this::revokeKey));
    }

    private static FleetId fleet(Call call) {
        FleetId fleet = new FleetId(call.path("fleet"));
        if (!fleet.tenant().equals(call.tenant())) {
            throw new RefusedException(ErrorCode.NOT_FOUND, "there is no fleet " + fleet);
        }
        return fleet;
    }

    private Response show(Call call) {
        FleetId fleet = fleet(call);
        return Response.json(PolicyView.of(settings.policy(fleet)
                .orElseThrow(() -> new RefusedException(ErrorCode.NOT_FOUND, "fleet " + fleet + " offers no ACME"))));
    }

    private Response set(Call call) {
        AcmePolicy policy = call.request().json(PolicyBody.class).policy();
        return Response.json(PolicyView.of(settings.set(call.tenant(), call.actor(), fleet(call), policy)));
    }

    private Response change(Call call) {
        ChangeBody body = call.request().json(ChangeBody.class);
        return Response.json(PolicyView.of(settings.change(call.tenant(), call.actor(), fleet(call), body::over)));
    }

    private Response remove(Call call) {
        settings.remove(call.tenant(), call.actor(), fleet(call));
        return Response.nothing();
    }

    private Response keys(Call call) {
        DeviceId device = DeviceId.parse(call.path("device"));
        return Response.json(new Queries.Listing<>(
                settings.keys(call.tenant(), device).stream()
                        .map(key -> KeyView.of(key, null))
                        .toList(),
                null));
    }

    private Response createKey(Call call) {
        DeviceId device = DeviceId.parse(call.path("device"));
        KeyBody body = call.request().json(KeyBody.class);
        AcmeKey.Created made = settings.createKey(call.tenant(), call.actor(), device, body.wanted());
        return Response.json(201, KeyView.of(made.key(), made.secret()));
    }

    private Response revokeKey(Call call) {
        settings.revokeKey(call.tenant(), call.actor(), DeviceId.parse(call.path("device")), call.path("acmeKey"));
        return Response.nothing();
    }
}
