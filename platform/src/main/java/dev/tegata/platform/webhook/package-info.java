// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Webhooks: events, signed and in order, to addresses outside. Start at `WebhookWorkers`.
@NullMarked
package dev.tegata.platform.webhook;

import org.jspecify.annotations.NullMarked;
