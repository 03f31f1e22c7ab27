// The review page: its keys, and the strip below scrolled to the image that is shown.
import { showCurrent } from "./deciding.js";

showCurrent(document.querySelector(".review-strip"));
