// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.mqtt;

import dev.tegata.server.mqtt.MqttGuard.Answer;
import dev.tegata.server.mqtt.MqttGuard.Certificate;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// What a guard asks the API, and what it makes of the answers.
public final class AdmissionQuestion {
    private AdmissionQuestion() {}

    /// @param service what devices use, as decisions call it
    public static ObjectNode of(String service, List<Certificate> asked) {
        ObjectNode body = JsonMapper.shared().createObjectNode().put("service", service);
        ArrayNode certificates = body.putArray("certificates");
        for (Certificate one : asked) {
            certificates.addObject().put("serialNumber", one.serial()).put("sha256", one.sha256());
        }
        return body;
    }

    /// The answers by the serial numbers of their certificates.
    public static Map<String, Answer> answers(List<Certificate> asked, JsonNode answer) {
        Map<String, Answer> answers = new HashMap<>();
        int at = 0;
        for (JsonNode item : answer.path("items")) {
            // The answers have the order of the questions.
            answers.put(asked.get(at++).serial(), answer(item));
        }
        return answers;
    }

    /// What the API's `/admissions/changes` says.
    public static MqttGuard.News news(JsonNode news) {
        Set<String> devices = new HashSet<>();
        news.path("devices").forEach(device -> devices.add(device.asString()));
        return new MqttGuard.News(
                news.path("position").asString(), news.path("everybody").asBoolean(), devices);
    }

    private static Answer answer(JsonNode item) {
        boolean allowed = item.path("allowed").asBoolean();
        return new Answer(
                item.path("device").asString(null),
                allowed ? Optional.empty() : Optional.of(item.path("reason").asString("refused")),
                item.hasNonNull("validUntil")
                        ? Instant.parse(item.path("validUntil").asString())
                        : null);
    }
}
