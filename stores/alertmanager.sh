#!/bin/sh
# Writes Alertmanager's file with the receivers that the environment names: `alertmanager.sh SHIPPED WRITTEN`.
#   TRAX_ALERTMANAGER_WEBHOOK_URL                     an address that gets JSON
#   TRAX_ALERTMANAGER_SLACK_URL                       Slack's incoming webhook
#   TRAX_ALERTMANAGER_EMAIL  _SMTP (host:port)  _FROM   and, where the server asks for them, _SMTP_USER and _SMTP_PASSWORD_FILE
# None set: nobody is told, and the alerts are on Alertmanager's own page.
set -eu
umask 077
shipped=$1 written=$2 prefix=TRAX_ALERTMANAGER

line() { # indent key value: a line of YAML, whatever the value holds
  case $3 in *"
"*) echo "$prefix: a value of $2 has a line break" >&2; exit 1 ;; esac
  printf "%s%s: '%s'\n" "$1" "$2" "$(printf %s "$3" | sed "s/'/''/g")"
}

{
  cat "$shipped"
  if [ -n "${TRAX_ALERTMANAGER_WEBHOOK_URL:-}" ]; then
    echo "    webhook_configs:"
    line "      - " url "$TRAX_ALERTMANAGER_WEBHOOK_URL"
  fi
  if [ -n "${TRAX_ALERTMANAGER_SLACK_URL:-}" ]; then
    echo "    slack_configs:"
    line "      - " api_url "$TRAX_ALERTMANAGER_SLACK_URL"
    line "        " title '{{ .CommonLabels.alertname }} {{ .CommonLabels.service_name }} ({{ .Status }})'
    line "        " text '{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook_url }} {{ end }}'
    echo "        send_resolved: true"
  fi
  if [ -n "${TRAX_ALERTMANAGER_EMAIL:-}" ]; then
    echo "    email_configs:"
    line "      - " to "$TRAX_ALERTMANAGER_EMAIL"
    line "        " smarthost "${TRAX_ALERTMANAGER_SMTP:?is needed for e-mail (host:port)}"
    line "        " from "${TRAX_ALERTMANAGER_FROM:?is needed for e-mail}"
    if [ -n "${TRAX_ALERTMANAGER_SMTP_USER:-}" ]; then
      line "        " auth_username "$TRAX_ALERTMANAGER_SMTP_USER"
      line "        " auth_password_file "${TRAX_ALERTMANAGER_SMTP_PASSWORD_FILE:?is needed with a user}"
    fi
    echo "        send_resolved: true"
  fi
} >"$written.new"
mv "$written.new" "$written"
