// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// Carries webhooks over HTTPS, to where they may go.
@NullMarked
package dev.tegata.server.webhook;

import org.jspecify.annotations.NullMarked;
