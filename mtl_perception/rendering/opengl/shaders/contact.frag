#version 330 core
// The soft dark that sky light leaves under what stands on the ground.
in vec2 texel;
in vec4 paint;
out vec4 colour;

void main() {
    vec2 off = abs(2.0 * texel - 1.0);
    vec2 inside = 1.0 - smoothstep(0.55, 1.0, off);
    colour = vec4(0.0, 0.0, 0.0, paint.a * inside.x * inside.y);
}
