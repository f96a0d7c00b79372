// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0
package dev.tegata.platform.event;

/// An event in its place in the tenant's stream.
///
/// @param sequence counts the tenant's events from 1, without gaps
/// @param content the CloudEvents 1.0 object, in JSON
public record RecordedEvent(long sequence, String type, String subject, String content) {}
