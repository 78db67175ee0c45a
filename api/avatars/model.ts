import { Type as t } from "@sinclair/typebox";
import { UserParams } from "../users/model.ts";

const Share = (description: string) => t.Number({ minimum: 0, maximum: 1, description });

export const NewAvatar = t.Object(
  {
    image: t.String({ format: "uuid", description: "A ready picture of yours" }),
    focus: t.Optional(
      t.Object(
        { x: Share("0 is its left side, 1 its right"), y: Share("0 is its top, 1 its bottom") },
        { additionalProperties: false, description: "What the square crop keeps in sight; the middle when not given" },
      ),
    ),
  },
  { additionalProperties: false },
);
export type NewAvatar = typeof NewAvatar.static;

export const AvatarAccepted = t.Object({
  id: t.String(),
  state: t.Literal("processing"),
  job: t.Object({ id: t.String(), url: t.String() }),
});

/** Its addresses by their sides in pixels: an avatar is square. */
export const Avatar = t.Object({ "64": t.String(), "128": t.String(), "256": t.String(), "512": t.String() });
export type Avatar = typeof Avatar.static;

export const AvatarParams = t.Object({ ...UserParams.properties, size: t.KeyOf(Avatar) });
