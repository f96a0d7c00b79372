// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// The REST API under `/api/v1`: translates requests into calls of the domain's services and their results into JSON,
/// and decides nothing itself but who is let through.
///
/// What it offers is described in `openapi.yaml`, which a test holds against [dev.tegata.server.api.Api#routes()].
@NullMarked
package dev.tegata.server.api;

import org.jspecify.annotations.NullMarked;
