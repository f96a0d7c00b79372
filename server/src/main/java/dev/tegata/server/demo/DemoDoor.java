// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.demo;

import dev.tegata.agent.DeviceIdentity;
import java.io.IOException;
import tools.jackson.databind.json.JsonMapper;

/// Where the demo's devices want to come in.
interface DemoDoor extends AutoCloseable {
    /// What the demo calls it.
    String name();

    /// Whether a device is in now; one that is not knocks.
    boolean lets(String device, DeviceIdentity identity) throws IOException;

    @Override
    void close() throws IOException;

    /// The decision that any door would ask for.
    static DemoDoor decisions(DemoApi api, String party) {
        return new DemoDoor() {
            @Override
            public String name() {
                return "The door (POST /api/v1/decisions)";
            }

            @Override
            public boolean lets(String device, DeviceIdentity identity) {
                String question = JsonMapper.shared()
                        .createObjectNode()
                        .put("device", device)
                        .put("party", party)
                        .toString();
                return api.post("/decisions", question).path("allowed").asBoolean();
            }

            @Override
            public void close() {}
        };
    }
}
