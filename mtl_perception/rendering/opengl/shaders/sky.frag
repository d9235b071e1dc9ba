#version 330 core
#include sky.glsl
uniform float exposure;
in vec3 direction;
out vec4 colour;

void main() {
    colour = vec4(develop(exposure * sky(normalize(direction))), 1.0);
}
