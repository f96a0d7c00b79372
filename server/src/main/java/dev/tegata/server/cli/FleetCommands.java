// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.cli;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Fleets: devices of one product under one set of rules.
@Command
final class FleetCommands {
    private static final String PATH = "/fleets";

    private final Session session;

    FleetCommands(Session session) {
        this.session = session;
    }

    /// Reads `suspend=72h`; `none` becomes an empty object.
    static final class Step implements ITypeConverter<ObjectNode> {
        @Override
        public ObjectNode convert(String text) {
            int equals = text.indexOf('=');
            if (equals < 1 && !text.equals("none")) {
                throw new TypeConversionException("'" + text + "' is no step like suspend=72h");
            }
            ObjectNode step = ApiClient.object();
            return equals < 1
                    ? step
                    : step.put("action", text.substring(0, equals))
                            .put("after", new Bodies.Length().convert(text.substring(equals + 1)));
        }
    }

    /// The rules of a fleet, as far as options give them.
    static final class Rules {
        @Option(
                names = "--authority",
                paramLabel = "AUTHORITY",
                description = "The authority that signs its devices; needed where the tenant has several for devices.")
        @Nullable
        String authority;

        @Option(
                names = "--parallel-authority",
                paramLabel = "AUTHORITY",
                description = "The post-quantum authority of a second chain; '' takes the second chain away.")
        @Nullable
        String parallelAuthority;

        @Option(
                names = "--approval",
                negatable = true,
                description = "Whether an operator approves each device before its first certificate (at first not).")
        @Nullable
        Boolean approval;

        @Option(
                names = "--server-key-generation",
                negatable = true,
                description = "Whether keys are made here for devices that cannot make their own (at first not).")
        @Nullable
        Boolean serverKeyGeneration;

        @Option(
                names = "--any-of-birth-ca",
                negatable = true,
                description = "Whether a certificate of a trusted birth CA is enough, without a claim (at first not).")
        @Nullable
        Boolean anyOfBirthCa;

        @Option(
                names = "--grace",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long after its certificate has expired a device may come back with its birth key"
                        + " (at first 90d).")
        @Nullable
        String grace;

        @Option(
                names = "--retry-after",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "When a device that waits for approval asks again (at first 5m).")
        @Nullable
        String retryAfter;

        @Option(
                names = "--check-in-quick",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How often devices check in while they are new (at first 5m).")
        @Nullable
        String checkInQuick;

        @Option(
                names = "--check-in-settling",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long after its activation a device counts as new (at first 1h).")
        @Nullable
        String checkInSettling;

        @Option(
                names = "--check-in-slow",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How often devices check in from then on (at first 6h).")
        @Nullable
        String checkInSlow;

        @Option(
                names = "--suspend-clones",
                negatable = true,
                description = "Whether a device is suspended when a clone of it is suspected (at first not).")
        @Nullable
        Boolean suspendClones;

        @Option(
                names = "--renewal-overlap",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long the old certificate stays good beside the one that renewed it (at first 7d).")
        @Nullable
        String renewalOverlap;

        @Option(
                names = "--order-renewal-before",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "Devices are told to renew when they have less time left, such as 60d; 0d leaves it to"
                        + " them (at first 0d).")
        @Nullable
        String orderRenewalBefore;

        @Option(
                names = "--renew-outdated",
                negatable = true,
                description =
                        "Whether devices are told to renew when the fleet's authority or keys change (at first they"
                                + " are).")
        @Nullable
        Boolean renewOutdated;

        @Option(
                names = "--birth-key-ends-refurbishment",
                negatable = true,
                description = "Whether a device comes back from a refurbishment by its birth key alone (at first not).")
        @Nullable
        Boolean birthKeyEndsRefurbishment;

        @Option(
                names = "--freshness",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long a device's evidence counts, such as 24h; 0h asks for none (at first 0h).")
        @Nullable
        String freshness;

        @Option(
                names = "--consequence",
                paramLabel = "STEP=TIME",
                converter = Step.class,
                description = "What follows how long after a device ceased to be good: notify, shorten-life,"
                        + " refuse-renewal, suspend or revoke, such as suspend=72h. Repeat it in the order of the times;"
                        + " together they take the place of those before. 'none' for none (at first none).")
        @Nullable
        List<ObjectNode> consequences;

        @Option(
                names = "--evidence-at-enrolment",
                negatable = true,
                description =
                        "Whether a device shows evidence with its request for the first certificate (at first not).")
        @Nullable
        Boolean evidenceAtEnrolment;

        @Option(
                names = "--evidence-at-renewal",
                negatable = true,
                description = "Whether it shows evidence with each further one (at first not).")
        @Nullable
        Boolean evidenceAtRenewal;

        @Option(
                names = "--accept-warnings",
                negatable = true,
                description = "Whether evidence of the tier 'warning' is enough for a certificate (at first not).")
        @Nullable
        Boolean acceptWarnings;

        @Option(
                names = "--longest-life",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "The longest life of certificates, at most the freshness, such as 12h; 0h leaves it to"
                        + " --lifetime (at first 0h).")
        @Nullable
        String longestLife;

        @Option(
                names = "--consent",
                paramLabel = "WHOSE",
                description =
                        "What it takes for a device to change owners: seller (it offers), possession (or the buyer"
                                + " proves that it has the device, and the owner does not object), or both (at first seller).")
        @Nullable
        String consent;

        @Option(
                names = "--cool-down",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long an owner may object to a claim by possession (at first 7d).")
        @Nullable
        String coolDown;

        @Option(
                names = "--lifetime",
                paramLabel = "TIME",
                converter = Bodies.Length.class,
                description = "How long a device's certificate is valid, such as 90d or unlimited (at first 1y).")
        @Nullable
        String lifetime;

        @Option(
                names = "--subject",
                paramLabel = "TEMPLATE",
                description = "The subject of a device's certificate, such as 'CN={device.id},O=Example GmbH' (at first"
                        + " CN={device.id}).")
        @Nullable
        String subject;

        @Option(
                names = "--key-algorithm",
                paramLabel = "ALG",
                description =
                        "A kind of key that devices may have; repeat it for several (at first ec-p256, ec-p384 and RSA"
                                + " from 2048 to 4096 bits).")
        @Nullable
        List<String> keyAlgorithms;

        @Option(
                names = "--certificate-profile",
                paramLabel = "FILE",
                description = "JSON with any members of the certificate profile, as 'fleet show --json' prints them.")
        @Nullable
        Path certificateProfile;

        ObjectNode putInto(ObjectNode body, Terminal terminal) {
            Bodies.put(body, "authority", authority);
            Bodies.put(body, "parallelAuthority", parallelAuthority);
            ObjectNode profile = certificateProfile == null ? ApiClient.object() : read(certificateProfile, terminal);
            Bodies.put(profile, "lifetime", lifetime);
            Bodies.put(profile, "subject", subject);
            if (keyAlgorithms != null) {
                ArrayNode algorithms = profile.putArray("keyAlgorithms");
                keyAlgorithms.forEach(algorithms::add);
            }
            Bodies.put(body, "profile", profile);
            ObjectNode policy = ApiClient.object();
            Bodies.put(policy, "approvalRequired", approval);
            Bodies.put(policy, "serverKeyGeneration", serverKeyGeneration);
            Bodies.put(policy, "acceptAnyOfBirthCa", anyOfBirthCa);
            Bodies.put(policy, "graceAfterExpiry", grace);
            Bodies.put(policy, "retryAfter", retryAfter);
            ObjectNode checkIn = ApiClient.object();
            Bodies.put(checkIn, "quick", checkInQuick);
            Bodies.put(checkIn, "settling", checkInSettling);
            Bodies.put(checkIn, "slow", checkInSlow);
            Bodies.put(checkIn, "suspendClones", suspendClones);
            Bodies.put(policy, "checkIn", checkIn);
            ObjectNode life = ApiClient.object();
            Bodies.put(life, "renewalOverlap", renewalOverlap);
            Bodies.put(life, "orderRenewalBefore", orderRenewalBefore);
            Bodies.put(life, "renewOutdated", renewOutdated);
            Bodies.put(life, "birthKeyEndsRefurbishment", birthKeyEndsRefurbishment);
            Bodies.put(policy, "life", life);
            ObjectNode attestation = ApiClient.object();
            Bodies.put(attestation, "freshness", freshness);
            if (consequences != null) {
                ArrayNode steps = attestation.putArray("consequences");
                consequences.stream().filter(step -> !step.isEmpty()).forEach(steps::add);
            }
            Bodies.put(policy, "attestation", attestation);
            ObjectNode evidence = ApiClient.object();
            Bodies.put(evidence, "atEnrolment", evidenceAtEnrolment);
            Bodies.put(evidence, "atRenewal", evidenceAtRenewal);
            Bodies.put(evidence, "acceptWarnings", acceptWarnings);
            Bodies.put(evidence, "certificateLife", longestLife);
            Bodies.put(policy, "evidence", evidence);
            ObjectNode transfer = ApiClient.object();
            Bodies.put(transfer, "consent", consent);
            Bodies.put(transfer, "coolDown", coolDown);
            Bodies.put(policy, "transfer", transfer);
            Bodies.put(body, "policy", policy);
            return body;
        }

        private static ObjectNode read(Path file, Terminal terminal) {
            try {
                if (JsonMapper.shared().readTree(Inputs.bytes(file, terminal)) instanceof ObjectNode profile) {
                    return profile;
                }
            } catch (JacksonException e) {
                // Said below.
            }
            throw CommandFailure.usage(file + " is no JSON object");
        }
    }

    @Command(description = "Make a fleet.", footer = "  tegata fleet create --name \"Thermostat 2\" --lifetime 1y")
    void create(
            @Option(names = "--name", paramLabel = "NAME", required = true, description = "What people call it.")
                    String name,
            @Mixin Rules rules) {
        try (ApiClient api = session.api()) {
            JsonNode fleet = api.create(PATH, rules.putInto(ApiClient.object().put("name", name), session.terminal()));
            Output output = session.output();
            output.fields(fleet);
            output.say("");
            output.say("The firmware carries the id. Next: %s manifest import FILE --fleet %s"
                    .formatted(session.program(), fleet.path("id").asString()));
        }
    }

    @Command(description = "List the fleets.", footer = "  tegata fleet list")
    void list(@Mixin Paging paging) {
        try (ApiClient api = session.api()) {
            session.output()
                    .table(
                            api.get(PATH, paging.query()),
                            "There are no fleets yet. Make one: %s fleet create --name \"My first product\""
                                    .formatted(session.program()),
                            "id",
                            "name",
                            "LIFETIME=profile.lifetime",
                            "APPROVAL=policy.approvalRequired",
                            "createdAt");
        }
    }

    @Command(description = "Show a fleet and its rules.", footer = "  tegata fleet show FLEET")
    void show(@Parameters(paramLabel = "FLEET", description = "Its id, as listed.") String fleet) {
        try (ApiClient api = session.api()) {
            session.output().fields(api.get(PATH + "/" + ApiClient.segment(fleet)));
        }
    }

    @Command(
            description = "Count the devices of a fleet that can verify signatures of each algorithm, or list those of"
                    + " which that is not known.",
            footer = "  tegata fleet readiness FLEET --lacking ml-dsa-65")
    void readiness(
            @Parameters(paramLabel = "FLEET", description = "Its id, as listed.") String fleet,
            @Option(
                            names = "--lacking",
                            paramLabel = "ALGORITHM",
                            description = "List the devices of which it is not known that they can verify it.")
                    @Nullable
                    String lacking,
            @Mixin Paging paging) {
        String path = PATH + "/" + ApiClient.segment(fleet) + "/readiness";
        try (ApiClient api = session.api()) {
            if (lacking == null) {
                JsonNode counts = api.get(path);
                session.output().table(counts, "Nothing is known yet.", "algorithm", "able", "lacking");
                session.output()
                        .say("As of " + counts.path("sweptAt").asString("now, with devices not looked at yet")
                                + ". 'tegata health sweep' looks anew.");
            } else {
                JsonNode devices = api.get(path + "/" + ApiClient.segment(lacking) + "/devices", paging.query());
                session.output().table(devices, noneLacks(api.get(path)), "device");
            }
        }
    }

    private static String noneLacks(JsonNode counts) {
        if (!counts.hasNonNull("sweptAt")) {
            return "Nothing is known yet: no look through all devices is over. 'tegata health sweep' begins one.";
        }
        boolean looked = counts.path("items")
                .valueStream()
                .anyMatch(count ->
                        count.path("able").asLong() + count.path("lacking").asLong() > 0);
        return looked
                ? "All devices can verify it, as far as is known."
                : "Nothing is known: the fleet had no active devices when they were looked through.";
    }

    @Command(
            description = "Change a fleet's rules. Certificates that were issued before do not change.",
            footer = "  tegata fleet update FLEET --approval --lifetime 90d")
    void update(
            @Parameters(paramLabel = "FLEET", description = "Its id, as listed.") String fleet,
            @Option(names = "--name", paramLabel = "NAME", description = "What people call it from now on.") @Nullable
                    String name,
            @Option(names = "--leave-behind", description = "Do so though devices lose their chain by it.")
                    boolean leaveBehind,
            @Mixin Rules rules) {
        ObjectNode body = ApiClient.object();
        Bodies.put(body, "name", name);
        rules.putInto(body, session.terminal());
        if (body.isEmpty()) {
            throw CommandFailure.usage("nothing to change: give at least one option, see 'tegata fleet update --help'");
        }
        Bodies.put(body, "leaveBehind", leaveBehind ? true : null);
        try (ApiClient api = session.api()) {
            session.output().fields(api.change(PATH + "/" + ApiClient.segment(fleet), body));
        }
    }

    @Command(
            description = {
                "Delete a fleet that has never had a device.",
                "With it go the reports of imports into it and its settings. A fleet with devices is refused."
            },
            footer = "  tegata fleet delete FLEET")
    void delete(@Parameters(paramLabel = "FLEET", description = "Its id, as listed.") String fleet) {
        try (ApiClient api = session.api()) {
            api.delete(PATH + "/" + ApiClient.segment(fleet));
            session.output().done("The fleet is gone.");
        }
    }
}
