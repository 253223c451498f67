// What forms gain from script; all of them work without it.
import { addKeeping } from "./keep_codes.js";
import { addReveals } from "./reveal.js";
import { sendOnce } from "./send_once.js";
import { addStrength } from "./strength.js";

addKeeping(document);
addReveals(document);
addStrength(document);
sendOnce(document);
