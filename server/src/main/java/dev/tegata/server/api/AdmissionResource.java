// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.pki.Bytes;
import dev.tegata.pki.certificate.SerialNumber;
import dev.tegata.platform.DeviceId;
import dev.tegata.platform.Fields;
import dev.tegata.platform.FleetId;
import dev.tegata.platform.access.Permission;
import dev.tegata.platform.admission.Admissions;
import dev.tegata.server.http.Response;
import dev.tegata.server.http.Route;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Whether devices may be in, for brokers that ask about everybody who is connected.
final class AdmissionResource {
    private static final int SHA256_SIZE = 32;
    private static final int BODY_LIMIT = 256 * 1024;
    private static final int LONGEST_POSITION = 64;
    /// A server that stops waits for its requests.
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(5);

    private final Admissions admissions;

    AdmissionResource(Admissions admissions) {
        this.admissions = admissions;
    }

    record Body(String service, List<Certificate> certificates) {}

    record Certificate(String serialNumber, String sha256) {}

    record View(List<Item> items) {}

    record NewsView(String position, boolean everybody, List<String> devices) {}

    record Item(
            String serialNumber,
            boolean allowed,
            @Nullable String device,
            @Nullable String fleet,
            @Nullable String reason,
            @Nullable Instant validUntil) {
        static Item of(Admissions.Admission admission) {
            DeviceId device = admission.device();
            FleetId fleet = admission.fleet();
            return new Item(
                    admission.serial().hex(),
                    admission.allowed(),
                    device == null ? null : device.toString(),
                    fleet == null ? null : fleet.value(),
                    admission.reason().orElse(null),
                    admission.until());
        }
    }

    List<Route> routes(Gate gate) {
        return List.of(
                gate.route("POST", "/api/v1/admissions", Permission.READ_DEVICES, this::judge)
                        .withBodyLimit(BODY_LIMIT),
                gate.route("GET", "/api/v1/admissions/changes", Permission.READ_DEVICES, this::changes));
    }

    private Response changes(Call call) {
        String after = call.request().query("after").orElse("");
        if (after.length() > LONGEST_POSITION) {
            throw Fields.invalid("after", "must be the position of an earlier answer");
        }
        Admissions.News news = admissions.await(call.tenant(), after, LONGEST_WAIT);
        return Response.json(new NewsView(
                news.position(),
                news.everybody(),
                news.devices().stream().map(DeviceId::toString).toList()));
    }

    private Response judge(Call call) {
        Body body = call.request().json(Body.class);
        List<Admissions.Shown> shown =
                body.certificates().stream().map(AdmissionResource::shown).toList();
        return Response.json(new View(
                admissions.judge(call.tenant(), Fields.name("service", body.service()), shown).stream()
                        .map(Item::of)
                        .toList()));
    }

    private static Admissions.Shown shown(Certificate certificate) {
        try {
            Bytes sha256 = Bytes.ofHex(certificate.sha256());
            if (sha256.size() != SHA256_SIZE) {
                throw Fields.invalid("sha256", "must have 64 hex digits");
            }
            return new Admissions.Shown(SerialNumber.ofHex(certificate.serialNumber()), sha256);
        } catch (IllegalArgumentException e) {
            throw Fields.invalid("serialNumber and sha256", "must be hex digits");
        }
    }
}
