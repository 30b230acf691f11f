"""The whole API on one screen."""

from collections.abc import Sequence

from console.api import campaigns, operating, queues, talk, templates
from console.api.operation import AnyOperation

OPERATIONS: Sequence[AnyOperation] = (
    campaigns.create_campaign,
    campaigns.list_campaigns,
    campaigns.preview_campaign,
    campaigns.show_campaign,
    campaigns.pause_campaign,
    campaigns.resume_campaign,
    campaigns.cancel_campaign,
    templates.list_templates,
    templates.show_template,
    templates.save_template,
    talk.list_conversations,
    talk.list_messages,
    talk.explain_message,
    queues.list_outbox,
    queues.decide_outbox,
    queues.list_inbox,
    queues.redrive_inbox,
    queues.list_alarms,
    operating.check_gateway,
    operating.import_rows,
    operating.create_token,
    operating.list_tokens,
    operating.revoke_token,
)
