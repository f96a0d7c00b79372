// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.server.api;

import dev.tegata.platform.TenantId;
import dev.tegata.platform.access.Actor;
import dev.tegata.platform.access.Caller;
import dev.tegata.server.http.Request;

/// A request of somebody who was let in with an API key.
record Call(Request request, Caller caller) {
    TenantId tenant() {
        return caller.tenant();
    }

    Actor actor() {
        return caller.actor();
    }

    String path(String parameter) {
        return request.pathParameter(parameter);
    }
}
